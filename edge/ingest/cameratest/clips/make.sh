#!/bin/sh
# Remakes the clips beside this script; needs ffmpeg with libx264 and libx265, and the DejaVu fonts. `make assets` runs it.
#
# Each clip lasts ten seconds at ten frames a second with a key frame every second, and is drawn so that its end meets its beginning:
# a camera that plays it for ever never jumps. All that moves is computed from t, so that a clip can be made again.
set -eu
cd "$(dirname "$0")"

font=$(fc-match -f '%{file}' 'DejaVu Sans Mono:bold')
label() { # what is burnt in: the camera's name, and a counter that shows each frame to be another
  echo "drawtext=fontfile=$font:fontsize=22:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=6:x=14:y=14:text='$1',\
drawtext=fontfile=$font:fontsize=22:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=6:x=w-tw-14:y=h-th-14:text='%{eif\:n\:d\:3}'"
}
walk() { # a person as a camera far away sees one: head and body, from left to right once a clip.  speed in widths, height, colour, offset
  echo "drawbox=x='mod(t*$1*64+$4\,680)-40':y=$2:w=18:h=46:color=$3:t=fill,drawbox=x='mod(t*$1*64+$4\,680)-37':y=$2-14:w=12:h=12:color=0xd8b090:t=fill"
}
fmp4="-movflags +frag_keyframe+empty_moov+default_base_moof -an -map_metadata -1 -fflags +bitexact -flags:v +bitexact"
x264="-c:v libx264 -preset veryslow -threads 1 -pix_fmt yuv420p -g 10 -keyint_min 10 -sc_threshold 0"
x265="-c:v libx265 -preset slow -pix_fmt yuv420p -tag:v hvc1"
run() { ffmpeg -hide_banner -loglevel error -nostdin -y "$@"; }

# The square: a facade, paving, and people who cross it.
run -f lavfi -i "color=0x6b7b8c:s=640x360:r=10:d=10" -vf "\
drawbox=x=0:y=190:w=640:h=170:color=0x8a8578:t=fill,\
drawbox=x=40:y=60:w=150:h=130:color=0x7a3b2e:t=fill,drawbox=x=210:y=40:w=180:h=150:color=0x94563f:t=fill,drawbox=x=410:y=80:w=190:h=110:color=0x5d4037:t=fill,\
drawbox=x=60:y=80:w=24:h=36:color=0xe0d8a0:t=fill,drawbox=x=110:y=80:w=24:h=36:color=0x2a3540:t=fill,drawbox=x=240:y=70:w=26:h=40:color=0x2a3540:t=fill,\
drawbox=x=300:y=70:w=26:h=40:color=0xe0d8a0:t=fill,drawbox=x=440:y=104:w=26:h=34:color=0x2a3540:t=fill,drawbox=x=510:y=104:w=26:h=34:color=0xe0d8a0:t=fill,\
$(walk 1.0625 230 0x1f3a5f 0),$(walk 2.125 280 0x7b1e3a 300),$(walk 1.0625 205 0x2f4f2f 420),\
$(label 'plein-noord')" $x264 -bf 0 -crf 27 $fmp4 square.mp4

# The hall: a test pattern on its wall, one visitor.
run -f lavfi -i "color=0x3c4a52:s=640x360:r=10:d=10" -f lavfi -i "testsrc2=s=320x180:r=10:d=10" -filter_complex "\
[1]scale=280:158[screen];[0][screen]overlay=180:60[hall];[hall]drawbox=x=0:y=250:w=640:h=110:color=0x59646b:t=fill,\
$(walk 1.0625 262 0xb8860b 100),$(label 'stadhuis-hal')" \
  $x265 -x265-params "log-level=error:keyint=10:min-keyint=10:scenecut=0:bframes=0:crf=30:frame-threads=1:pools=none" $fmp4 hall.mp4

# The quay: water that is never the same, and a boat.
run -f lavfi -i "color=0x9fb4c4:s=640x360:r=10:d=10" -vf "\
drawbox=x=0:y=150:w=640:h=210:color=0x2c4a5e:t=fill,\
$(for i in 0 1 2 3 4 5 6 7; do printf "drawbox=x='mod(t*64*(1+mod(%d,3))+%d,640)':y=%d:w=%d:h=4:color=0x5c86a0:t=fill," $i $((i*97)) $((170+i*22)) $((60+i*9)) | sed 's/,\([0-9]\)/\\,\1/g'; done)\
drawbox=x='mod(t*68\,680)-120':y=196:w=120:h=30:color=0x402020:t=fill,drawbox=x='mod(t*68\,680)-90':y=172:w=50:h=24:color=0xd0d0c0:t=fill,\
$(label 'kade-oost')" $x264 -bf 0 -crf 27 $fmp4 quay.mp4

# For tests: frames that are not sent in the order in which they are shown.
run -f lavfi -i "testsrc2=s=192x108:r=10:d=3" $x264 -bf 2 -b_strategy 0 -crf 34 $fmp4 reordered.mp4

# For tests of sound beside pictures: a flash of a tenth of a second each two seconds, from the first on, and a beep at the same moments. Eight seconds, so that whole frames of
# 1024 samples at 16 kHz fill them.
run -f lavfi -i "color=black:s=160x96:r=25:d=8" -vf "drawbox=x=0:y=0:w=160:h=96:color=white:t=fill:enable='between(mod(t-1\,2)\,0\,0.099)*gte(t\,1)'" \
  -c:v libx264 -preset veryslow -threads 1 -pix_fmt yuv420p -g 25 -keyint_min 25 -sc_threshold 0 -bf 0 -crf 30 $fmp4 flash.mp4
beep="-f lavfi -i aevalsrc=exprs='gte(t\,1)*lt(mod(t-1\,2)\,0.1)*0.6*sin(2*PI*1000*t)':s=16000:d=9"
sound="-t 8.2 -ac 1 -map_metadata -1 -fflags +bitexact -flags:a +bitexact -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 1000000"
run $beep -c:a aac -b:a 24k $sound beep-aac.mp4
run $beep -ar 48000 -c:a libopus -b:a 16k -frame_duration 20 $sound beep-opus.mp4
