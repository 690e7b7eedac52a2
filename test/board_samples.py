"""A sysfs and procfs tree like that of a Jetson, written into a temporary folder."""

from __future__ import annotations

from pathlib import Path

GPU = "sys/class/devfreq/17000000.gpu"
CPU = "sys/devices/system/cpu/cpufreq/policy0"
FILES = {
    f"{CPU}/scaling_available_frequencies": "115200 729600 1190400 1728000\n",
    f"{CPU}/scaling_cur_freq": "729600",
    f"{CPU}/scaling_min_freq": "115200",
    f"{CPU}/scaling_max_freq": "1190400",
    f"{CPU}/cpuinfo_min_freq": "115200",
    f"{CPU}/cpuinfo_max_freq": "1728000",
    f"{CPU}/scaling_governor": "schedutil",
    f"{GPU}/available_frequencies": "306000000 612000000 1020000000",
    f"{GPU}/cur_freq": "306000000",
    f"{GPU}/min_freq": "306000000",
    f"{GPU}/max_freq": "0",
    f"{GPU}/governor": "nvhost_podgov",
    "sys/devices/platform/gpu.0/load": "250",
    "sys/class/hwmon/hwmon3/name": "ina3221",
    "sys/class/hwmon/hwmon3/in1_label": "VDD_IN",
    "sys/class/hwmon/hwmon3/in1_input": "5000",
    "sys/class/hwmon/hwmon3/curr1_input": "1200",
    "sys/class/hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV",
    "sys/class/hwmon/hwmon3/in2_input": "5000",
    "sys/class/hwmon/hwmon3/curr2_input": "200",
    "sys/class/hwmon/hwmon3/in7_label": "sum of shunt voltages",
    "sys/class/hwmon/hwmon3/in7_input": "3",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "51250",
    "sys/class/thermal/thermal_zone0/trip_point_0_type": "critical",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp": "104500",
    "sys/class/thermal/thermal_zone0/trip_point_1_type": "passive",
    "sys/class/thermal/thermal_zone0/trip_point_1_temp": "99000",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal",
    "sys/class/thermal/thermal_zone1/temp": "-256000",
    "sys/class/thermal/cooling_device0/type": "pwm-fan",
    "sys/class/thermal/cooling_device0/cur_state": "2",
    "proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 50 0 50 400\ncpu1 50 0 50 400\nintr 1\n",
}


def write(root: Path, path: str, content: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="ascii")


def write_jetson_tree(root: Path) -> None:
    for path, content in FILES.items():
        write(root, path, content)
