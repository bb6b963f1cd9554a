# A camera made by others: Debian's GStreamer RTSP server. For the integration test; run it with /usr/bin/python3.
#
#   gst-camera.py PORT USER PASSWORD
#
# serves rtsp://127.0.0.1:PORT/h264-tcp /h265-tcp /h264-udp /h265-udp, all behind digest authentication, until it is killed.
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

port, user, password = sys.argv[1:4]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)

auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "recorder")
auth.add_digest(user, password, token)
server.set_auth(auth)

encoders = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=300 ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=300 ! rtph265pay name=pay0 pt=96 config-interval=1",
}
transports = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
for codec, encoder in encoders.items():
    for name, transport in transports.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch("( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! %s )" % encoder)
        factory.set_shared(True)
        factory.set_protocols(transport)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("recorder", "media.factory.access", True)
        permissions.add_permission_for_role("recorder", "media.factory.construct", True)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory("/%s-%s" % (codec, name), factory)

if server.attach(None) == 0:
    sys.exit("cannot listen on port " + port)
print("ready", flush=True)
GLib.MainLoop().run()
