# Runs in the container: installs Corallite as docs/device.md says, "As a service".
set -euo pipefail
cd /root

useradd --system --no-create-home --groups video corallite
python3 -m venv --system-site-packages /opt/corallite/venv
/opt/corallite/venv/bin/pip install --quiet "$(ls corallite-*.whl)[mqtt,serve]"
install -m 644 model_int8*.tflite /opt/corallite/
install -m 644 corallite@.service /etc/systemd/system/

# A forbidden system call kills the process here; normally the call only fails.
mkdir /etc/systemd/system/corallite@.service.d
cat > /etc/systemd/system/corallite@.service.d/deadly.conf << 'END'
[Service]
SystemCallErrorNumber=
Environment=PYTHONPATH=/opt/edgetpu_standin EDGETPU_STANDIN=/var/lib/corallite/edgetpu
END

cat > camera.py << 'END'
import pathlib, sys, time
import cv2
import mjpeg_server
paths = filter(pathlib.Path.is_file, pathlib.Path("/root/images").rglob("*"))
images = [cv2.resize(cv2.imread(str(path)), (640, 480)) for path in sorted(paths)[:50]]
jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
cv2.imwrite("/root/image.jpg", images[0])
with mjpeg_server.serving(jpegs, 10, 8764):
    time.sleep(10**6)
END
cat > /etc/systemd/system/camera.service << 'END'
[Service]
ExecStart=/opt/corallite/venv/bin/python /root/camera.py
END
