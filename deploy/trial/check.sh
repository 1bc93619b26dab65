# Runs in the booted container and tests the systemd units.
set -uo pipefail

source=--source=http://127.0.0.1:8764/stream.mjpg
model=/opt/corallite/model_int8.tflite
failed=0

check() { # WHAT COMMAND...
  if "${@:2}" > /dev/null; then
    echo "ok    $unit $1"
  else
    echo "FAIL  $unit $1"
    failed=1
  fi
}
wait_for() { # COMMAND...: for up to a minute
  for _ in $(seq 120); do "$@" && return; sleep 0.5; done
  return 1
}
show() { systemctl show --property="$1" --value "$unit"; }
mark() { cursor=$(journalctl --show-cursor --lines=0 | sed -n 's/^-- cursor: //p'); }
says() { # REGEX: since `mark`
  journalctl --unit="$unit" --output=cat --after-cursor="$cursor" | grep --extended-regexp -e "$1"
}
says_after() { # REGEX COMMAND...
  mark
  "${@:2}"
  wait_for says "$1"
}
is_at() { show StatusText | grep --extended-regexp -e "$1"; }
is_up() { test "$(show ActiveState)" = active; }
is_new() { # Another process is up.
  local now
  now=$(show MainPID)
  test "$now" != 0 && test "$now" != "$pid" && is_up
}
is_same() { test "$(show MainPID) $(show NRestarts)" = "$pid 0"; }
comes_back_after() { # SIGNAL
  pid=$(show MainPID)
  systemctl kill --kill-who=main --signal="$1" "$unit"
  wait_for is_new
}
stops() { # A service that had to be killed would be "failed".
  systemctl stop "$unit"
  test "$(show ActiveState) $(show Result) $(show ExecMainStatus)" = "inactive success 0"
}
write_flags() { # FLAG...
  printf '%s\n' "$@" > /root/flags
  install -D -m 640 -g corallite /root/flags "/etc/corallite/$verb.flags"
}
begin() { # VERB FLAG...
  verb=$1 unit=corallite@$1
  write_flags "${@:2}"
  mark
  systemctl start "$unit"
  pid=$(show MainPID)
  check "is up once it says READY" is_up
}
replace_model() { cp "$1" /opt/corallite/next && mv /opt/corallite/next "$model"; }
# Not mosquitto_sub: it cannot resolve the address if there is only a loopback interface.
broker_has_message() {
  timeout 20 /opt/corallite/venv/bin/python -c \
    'import paho.mqtt.subscribe as s; s.simple("home/door", hostname="127.0.0.1")'
}
classify_image() { curl --silent --fail --form "image=@/root/image.jpg" "127.0.0.1:8000/$1"; }

systemctl start camera mosquitto
head -c 1000 "$model" > /root/truncated.tflite
for name in classify serve; do
  begin "$name" "--model=$model" "$source"
  check "reports its source and results" wait_for is_at 'Source live, [1-9]'
  check "refuses a truncated model" says_after 'the new model is not used' replace_model /root/truncated.tflite
  check "loads an intact model" says_after 'the new model runs' replace_model /root/model_int8.tflite
  check "loads the model again at a reload" says_after 'the new model runs' systemctl reload "$unit"
  systemctl stop camera
  check "reports a lost camera" wait_for is_at 'Source (reopening|opening)'
  systemctl start camera
  check "reopens the camera" wait_for is_at 'Source live'
  check "never restarted" is_same
  check "restarts after SIGKILL" comes_back_after KILL
  check "restarts after a hang" comes_back_after STOP
  test "$name" = classify || check "answers requests" wait_for classify_image v1/classify
  check "stops cleanly" stops
done

begin classify "--model=$model" "$source"
check "writes results to the journal" wait_for says '"top"'
label=$(says '"top"' | tail -n 1 | sed -E 's/.*"top": \[\{"label": "([^"]*)".*/\1/')
stops
install -d -o corallite /var/lib/corallite/edgetpu
echo -n absent > /var/lib/corallite/edgetpu/mode
begin classify --model=/opt/corallite/model_int8_edgetpu.tflite "$source" --device=edgetpu \
  --mqtt=mqtt://127.0.0.1/home/door "--on_label=$label" \
  '--run=sh -c "echo > /var/lib/corallite/seen && echo written"'
check "runs on the CPU without an Edge TPU" wait_for says '"device": "cpu"'
check "runs a command that writes a file" wait_for says '^written'
check "publishes to a broker" broker_has_message
echo -n works > /var/lib/corallite/edgetpu/mode
check "uses an Edge TPU that was connected later" wait_for says '"device": "edgetpu"'
check "continues when the Edge TPU's process is killed" says_after '"device": "cpu"' \
  pkill -KILL -P "$pid" -f worker
check "uses the Edge TPU again" says_after '"device": "edgetpu"' true
check "never restarted" is_same
check "stops cleanly" stops

write_flags "--model=/nowhere.tflite" "$source"
check "logs why it cannot start" says_after '/nowhere.tflite' systemctl start --no-block "$unit"
write_flags "--model=$model" "$source"
check "starts once the problem is fixed" wait_for is_up
check "stops cleanly" stops
exit "$failed"
