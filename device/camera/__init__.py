"""Camera sources: files, USB, CSI, RTSP, MJPEG."""
