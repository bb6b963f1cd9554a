# A camera made by others: Debian's GStreamer RTSP server. For the interoperation test; run it with /usr/bin/python3.
#
#   gst-camera.py PORT USER PASSWORD
#
# serves rtsp://127.0.0.1:PORT/CODEC-SOUND-TRANSPORT until it is killed, CODEC h264 or h265, SOUND none, aac, opus or g711, TRANSPORT tcp or udp; all behind digest
# authentication when USER is not empty. One line "ready" says that it listens.
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

if user:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "recorder")
    auth.add_digest(user, password, token)
    server.set_auth(auth)

picture = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=20/1 ! "
encoders = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=200 ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=200 ! rtph265pay name=pay0 pt=96 config-interval=1",
}
sounds = {
    "none": "",
    "aac": " audiotestsrc is-live=true ! audioconvert ! avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "opus": " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay name=pay1 pt=97",
    "g711": " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
}
transports = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
for codec, encoder in encoders.items():
    for sound, track in sounds.items():
        for name, transport in transports.items():
            factory = GstRtspServer.RTSPMediaFactory()
            factory.set_launch("( " + picture + encoder + track + " )")
            factory.set_shared(True)
            factory.set_protocols(transport)
            if user:
                permissions = GstRtspServer.RTSPPermissions()
                permissions.add_permission_for_role("recorder", "media.factory.access", True)
                permissions.add_permission_for_role("recorder", "media.factory.construct", True)
                factory.set_permissions(permissions)
            server.get_mount_points().add_factory("/%s-%s-%s" % (codec, sound, name), factory)

if server.attach(None) == 0:
    sys.exit("cannot listen on port " + port)
print("ready", flush=True)
GLib.MainLoop().run()
