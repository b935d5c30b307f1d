"""Best-of-N figures of the public pools, in %, found by another program before this one: expected
over all choices of N candidates, ties averaged; votes over 100 random subsets at N = 8, all at 32.

GSM8K (226 problems of 32 candidates) with the outcomes as they stand and the final numbers as
answers; MATH-500 (255 of 32) with boxed answers compared as text.
"""

NS = (2, 4, 8, 16, 32)

GSM8K = {
    "random": (86.06, 86.06, 86.06, 86.06, 86.06),
    "oracle": (90.22, 93.05, 95.02, 96.25, 96.90),
    "majority": (85.94, 87.72, 88.45, 88.66, 88.35),
    "step_length": (86.56, 86.77, 86.84, 86.80, 86.28),
    "internlm2_1_8b_reward:last": (86.83, 87.15, 87.37, 87.39, 87.17),
    "internlm2_1_8b_reward:min": (86.13, 85.79, 85.23, 84.28, 83.19),
    "internlm2_1_8b_reward:mean": (86.41, 86.21, 85.92, 85.83, 86.73),
    "internlm2_1_8b_reward:product": (86.28, 86.01, 85.65, 85.26, 84.96),
    "internlm2_7b_reward:last": (87.45, 88.34, 89.04, 89.63, 90.27),
    "internlm2_7b_reward:min": (86.48, 86.68, 86.56, 86.22, 85.84),
    "internlm2_7b_reward:mean": (86.80, 87.14, 87.41, 87.47, 87.17),
    "internlm2_7b_reward:product": (86.60, 86.71, 86.57, 85.92, 84.96),
    "math_shepherd:last": (86.86, 87.02, 86.97, 86.81, 86.50),
    "math_shepherd:min": (86.90, 87.21, 87.29, 87.34, 87.17),
    "math_shepherd:mean": (86.82, 87.10, 87.20, 87.32, 87.61),
    "math_shepherd:product": (86.87, 87.13, 87.25, 87.44, 87.61),
    "qwen_prm:last": (88.26, 89.49, 89.97, 90.05, 90.17),
    "qwen_prm:min": (88.14, 89.32, 90.05, 90.42, 90.69),
    "qwen_prm:mean": (88.15, 89.39, 90.31, 91.09, 91.53),
    "qwen_prm:product": (88.38, 89.69, 90.59, 91.34, 92.05),
    "rlhflow_prm:last": (86.59, 86.58, 86.40, 85.96, 84.78),
    "rlhflow_prm:min": (87.15, 87.45, 87.38, 87.18, 86.87),
    "rlhflow_prm:mean": (87.14, 87.52, 87.37, 86.90, 86.73),
    "rlhflow_prm:product": (87.29, 87.51, 87.28, 86.96, 86.73),
    "skywork_prm_1_5b:last": (87.72, 88.76, 89.42, 89.66, 88.94),
    "skywork_prm_1_5b:min": (87.23, 87.71, 88.11, 88.62, 89.38),
    "skywork_prm_1_5b:mean": (87.48, 88.13, 88.48, 89.22, 91.15),
    "skywork_prm_1_5b:product": (87.17, 87.76, 88.31, 89.07, 89.82),
    "skywork_prm:last": (88.27, 89.75, 91.21, 92.44, 92.92),
    "skywork_prm:min": (87.90, 88.73, 89.14, 89.51, 89.38),
    "skywork_prm:mean": (88.03, 89.11, 89.82, 90.39, 90.71),
    "skywork_prm:product": (87.89, 88.83, 89.41, 89.83, 89.82),
}

GSM8K_VOTES = {
    "internlm2_1_8b_reward:last": (88.80, 89.38),
    "internlm2_1_8b_reward:min": (88.46, 88.05),
    "internlm2_1_8b_reward:mean": (88.55, 88.50),
    "internlm2_1_8b_reward:product": (87.12, 87.61),
    "internlm2_7b_reward:last": (88.77, 88.50),
    "internlm2_7b_reward:min": (88.50, 88.94),
    "internlm2_7b_reward:mean": (88.61, 88.50),
    "internlm2_7b_reward:product": (87.92, 88.50),
    "math_shepherd:last": (88.42, 88.94),
    "math_shepherd:min": (88.42, 88.05),
    "math_shepherd:mean": (88.49, 88.05),
    "math_shepherd:product": (88.57, 87.61),
    "qwen_prm:last": (89.65, 89.16),
    "qwen_prm:min": (90.10, 90.27),
    "qwen_prm:mean": (88.97, 88.50),
    "qwen_prm:product": (90.28, 90.71),
    "rlhflow_prm:last": (88.49, 88.94),
    "rlhflow_prm:min": (88.68, 88.94),
    "rlhflow_prm:mean": (88.51, 88.94),
    "rlhflow_prm:product": (88.89, 88.94),
    "skywork_prm_1_5b:last": (89.22, 89.82),
    "skywork_prm_1_5b:min": (89.01, 88.94),
    "skywork_prm_1_5b:mean": (88.80, 88.94),
    "skywork_prm_1_5b:product": (88.52, 89.38),
    "skywork_prm:last": (90.37, 90.27),
    "skywork_prm:min": (90.29, 91.15),
    "skywork_prm:mean": (89.27, 89.38),
    "skywork_prm:product": (89.92, 92.48),
}
"""At N = 8 and 32."""

MATH500 = {
    "random": (76.75, 76.75, 76.75, 76.75, 76.75),
    "oracle": (83.35, 87.91, 90.93, 93.22, 95.69),
    "majority": (76.76, 80.45, 82.10, 82.92, 83.53),
    "step_length": (77.17, 77.12, 76.96, 76.64, 76.47),
    "qwen_prm:last": (79.95, 81.82, 82.94, 83.47, 83.73),
    "qwen_prm:min": (80.50, 82.85, 84.43, 85.84, 86.82),
    "qwen_prm:mean": (80.36, 82.83, 84.38, 85.34, 85.49),
    "qwen_prm:product": (80.61, 83.04, 84.62, 85.95, 87.65),
}

MATH500_VOTES = {
    "qwen_prm:last": (83.38, 84.71),
    "qwen_prm:min": (84.16, 84.71),
    "qwen_prm:mean": (82.85, 83.53),
    "qwen_prm:product": (84.50, 85.10),
}
