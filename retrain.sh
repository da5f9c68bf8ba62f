#!/usr/bin/env bash
# Retrains both stages and the line readers from data folders to the files that are shipped:
#   ./retrain.sh DATA WORK
# DATA/meters holds toloka_water, iaoqian_water, jorvkve_electric, anhkhoitran_electric, yuva_eb_lcd_electric,
# renjith_lcd_electric, haverland_digits, ardiloot_digits, DATA/lines captcha_v2, plates_ccpd, plates_chenwj,
# plates_luxian, plates_lyl, prices_rub, handwritten_meza (each with a manifest.jsonl) and mnist (idx files);
# WORK gets sets, checkpoints and logs. A step whose result is there is not done again, so a killed run goes on.
# Times in resources/MODEL_CARD.md. Photos of the split "test" never enter a training set.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: ./retrain.sh DATA WORK" >&2; exit 2; }
data=$(realpath "$1")/meters lines=$(realpath "$1")/lines work=$(realpath -m "$2")
cd "$(dirname "$0")"
python=${PYTHON:-$PWD/.venv/bin/python}
mkdir -p "$work"

# The flag for what was annotated by eye beside a set, where something was: annotated FLAG NAME [SUFFIX]
# Corners have no suffix; _boxes are of displays where networks did not find them, _readings tell decimals that the set's
# own do not, and what rolling drums show.
annotated() {
    local file=resources/annotations/$2${3:-}.json
    [ ! -e "$file" ] || echo "$1 $file"
}
# Whether a set is there as a whole (one that was being written when a run was killed is not): stored FOLDER NAME
stored() { compgen -G "$1/$2/*/dataset_info.json" >/dev/null; }
# The flag for a training that was begun: resumed NAME
resumed() { [ ! -e "$work/checkpoints/$1/latest.keras" ] || echo --resume_training; }
# A bundle to look for lines' characters and for lookalikes with: bundle NAME FLAGS
bundle() {
    [ -d "$work/$1" ] || (cd deploy && $python prepare_model.py --formats onnx --no_characters --photos 20 \
        --stage1 ../retinanet/stage1.keras --stage2 ../retinanet/stage2.keras --out "$work/$1" "${@:2}")
}
# A set in the JSONL form -> a TFDS set: set NAME MANIFEST STAGE [FLAGS]
set_of() {
    local name=$1 manifest=$2 stage=$3
    shift 3
    [ -d "$work/ls/$name" ] || $python make_dataset.py labelstudio --manifest "$manifest" --out "$work/ls/$name" \
        --skip_faulty $(annotated --corners "$name") $(annotated --readings "$name" _readings)
    stored "$work/sets/$name" "meter_values_dataset_stage$stage" || $python make_dataset.py "stage$stage" \
        --labels "$work/ls/$name/stage$stage/labels.json" --images "$work/ls/$name/stage$stage/images" \
        --out "$work/sets/$name" --skip_faulty "$@"
}
# Boxes for displays of which only the reading is known: boxes NAME KIND ROUND [FLAGS]
boxes_of() {
    local name=$1 kind=$2 round=$3 label=$1-$2-$3
    shift 3
    [ -d "$work/labels/$label" ] || $python label_displays.py --manifest "$data/$name/manifest.jsonl" --kinds "$kind" \
        --out "$work/labels/$label" $(annotated --corners "$name") $(annotated --boxes "$name" _boxes) \
        $(annotated --readings "$name" _readings) "$@"
    set_of "$label" "$work/labels/$label/manifest.jsonl" 2
}
train() { # train STAGE EPOCHS STEPS BATCH SETS... -- FLAGS
    local stage=$1 epochs=$2 steps=$3 batch=$4
    shift 4
    $python "train_stage$stage.py" --epochs "$epochs" --steps_per_epoch "$steps" --batch_size "$batch" $(resumed "stage$stage") \
        --output "$work/stage$stage.keras" --logs "$work/logs/stage$stage" \
        --checkpoints "$work/checkpoints/stage$stage" --quiet "$@"
}

for name in toloka_water iaoqian_water jorvkve_electric anhkhoitran_electric yuva_eb_lcd_electric; do
    set_of "$name" "$data/$name/manifest.jsonl" 1 --size 640
done
for name in jorvkve_electric anhkhoitran_electric; do set_of "$name" "$data/$name/manifest.jsonl" 2; done
made() { # made NAME KIND COUNT SEED [FLAGS]
    [ -d "$work/$1" ] || $python synthesize.py "$2" --count "$3" --seed "$4" --out "$work/$1" "${@:5}"
}
made made meters 3000 100
made made101 meters 4800 101
made made102 meters 5000 102
made made201 meters 7000 201
made made202 meters 7000 202
made scenes7 scenes 1500 7
made scenes8 scenes 2500 8
made scenes203 scenes 4000 203
made displays displays 7000 11
made displays12 displays 8000 12
made displays211 displays 36000 211
made made401 meters 2600 401
made displays311 displays 17000 311
made made512 meters 2600 512
made displays511 displays 24000 511
made made612 meters 4000 612
made displays611 displays 26000 611
made made713 meters 2600 713
made displays711 displays 14000 711
made lcds712 displays 12000 712 --kind digital
made made723 meters 2600 723
made displays721 displays 16000 721
made lcds722 displays 12000 722 --kind digital
made displays731 displays 14000 731
made lcds732 displays 9000 732 --kind digital
made made733 meters 3000 733
made displays741 displays 12000 741 --kind analog
made made743 meters 1600 743
made displays751 displays 10000 751 --kind analog
made displays761 displays 12000 761 --kind analog
made displays771 displays 12000 771 --kind analog
made displays775 displays 16000 775 --kind analog
made lcds772 displays 8000 772 --kind digital
made lcds792 displays 12000 792 --kind digital
made made773 meters 1600 773
made made781 meters 3600 781
made made782 meters 3600 782
made displays811 displays 30000 811 --kind analog
made lcds812 displays 20000 812 --kind digital
made made813 meters 6000 813
made displays814 displays 20000 814 --kind analog
made displays815 displays 24000 815 --kind analog
made lcds816 displays 18000 816 --kind digital
made made817 meters 8000 817
made made818 meters 7000 818 --kind digital
made made819 meters 7000 819 --kind digital
made made820 meters 8000 820 --kind digital
made made821 meters 6000 821 --kind analog
for stage in 1 2; do
    stored "$work/sets/made" "meter_values_dataset_stage$stage" || $python make_dataset.py "stage$stage" \
        --labels "$work/made/stage$stage/labels.json" --images "$work/made/stage$stage/images" --out "$work/sets/made" \
        --split 0.93 0.07 0 $([ $stage = 1 ] && echo --size 640)
done
# Those of seeds 773 and 781 are of the corner network alone.
for name in made101 made102 made201 made202 made773 made781 scenes7 scenes8 scenes203; do
    stored "$work/sets/$name" "meter_values_dataset_stage1" || $python make_dataset.py stage1 \
        --labels "$work/$name/stage1/labels.json" \
        --images "$work/$name/stage1/images" --out "$work/sets/$name" --split 0.97 0.03 0 --size 640
done
# The photos of seeds 201, 401, 512, 612, 713, 723, 733, 743, 773, 781, 782, 813 and 817 to 821 show their displays to the
# readers.
for name in made201 made401 made512 made612 made713 made723 made733 made743 made773 displays displays12 displays211 \
    displays311 displays511 displays611 displays711 lcds712 displays721 lcds722 displays731 lcds732 displays741 displays751 \
    displays761 displays771 displays775 lcds772 lcds792 made781 made782 displays811 lcds812 made813 displays814 \
    displays815 lcds816 made817 made818 made819 made820 made821; do
    stored "$work/sets/$name" "meter_values_dataset_stage2" || $python make_dataset.py stage2 \
        --labels "$work/$name/stage2/labels.json" --images "$work/$name/stage2/images" --out "$work/sets/$name" \
        --split 0.97 0.03 0
done

s=$work/sets
# The last of the shipped weights' epochs were run in larger batches on a GPU (resources/MODEL_CARD.md); the numbers of
# epochs here show the networks as many pictures.
train 1 525 50 32 --max_side 512 --dataset_path "$s/toloka_water" "$s/iaoqian_water" "$s/jorvkve_electric" \
    "$s/anhkhoitran_electric" "$s/yuva_eb_lcd_electric" "$s/made" "$s/made101" "$s/made102" "$s/made201" "$s/made202" \
    "$s/scenes7" "$s/scenes8" "$s/scenes203" --mix 2.4 1.1 0.9 0.3 0.6 0.6 0.9 0.9 1.5 1.5 0.2 0.3 0.6

digits="$data/haverland_digits/manifest.jsonl $data/ardiloot_digits/manifest.jsonl"
stage2() { # stage2 EPOCHS MIX SETS...
    local epochs=$1 mix=$2
    shift 2
    train 2 "$epochs" 40 64 --max_side 400 --digits $digits --mix $mix --dataset_path "$@"
}
real_displays() { # real_displays ROUND: the sets of real displays, of that round's labels
    echo "$s/toloka_water-full_photo-$1" "$s/toloka_water-display_crop-$1" \
        "$s/iaoqian_water-full_photo-$1" "$s/iaoqian_water-display_crop-$1" \
        "$s/jorvkve_electric" "$s/anhkhoitran_electric"
}
displays() { # displays ROUND: the same and the first made ones
    echo $(real_displays "$1") "$s/displays" "$s/displays12" "$s/made"
}
more="$s/displays211 $s/made201 $s/displays311 $s/made401 $s/displays511 $s/made512 $s/displays611 $s/made612"
more="$more $s/displays711 $s/lcds712 $s/made713"
# Since drums have decimals in windows of their own.
framed="$s/displays731 $s/lcds732 $s/made733 $s/displays741 $s/made743 $s/displays751"
newest="$s/displays721 $s/lcds722 $s/made723" # of the display reader and the point network alone
last="$s/displays771 $s/lcds772 $s/made773"
lcds="$s/yuva_eb_lcd_electric-full_photo-1 $s/renjith_lcd_electric-display_crop-1"
round() { # round NUMBER [MODEL]: labels of the four sets, first by even division, then by the network so far
    local model=${2:+--model $2 --tolerated 4}
    for kind in full_photo display_crop; do
        boxes_of toloka_water "$kind" "$1" $model
        boxes_of iaoqian_water "$kind" "$1" --exact $model
    done
}
round 0
stage2 45 "1.4 1.2 0.3 0.6 0.5 0.15 0.9 0.9 0.6" $(displays 0)
round 1 "$work/stage2.keras"
# Even division does not fit LCDs: they come in when a network finds their digits.
boxes_of yuva_eb_lcd_electric full_photo 1 --exact --model "$work/stage2.keras" --tolerated 4
boxes_of renjith_lcd_electric display_crop 1 --exact --model "$work/stage2.keras" --tolerated 4
mix="1.43 1.24 0.31 0.61 0.55 0.22 0.72 0.72 0.63 0.4 0.91 1.27 0.72 1.08 0.72 1.08 0.72 1.27 0.72 0.72 0.72 0.45"
stage2 547 "$mix 0.15 0.21 0.19 0.11 0.08 0.11 0.37 0.34 0.28 0.14 0.14 0.14" $(displays 1) $lcds $more $framed $last \
    "$s/made781" "$s/made782" "$s/lcds792"

# The line readers: line TASK EPOCHS MADE "FOLDERS" "MIX" [FLAGS]; MADE made lines, drawn with the mix's last weight
line() {
    local task=$1 epochs=$2 made=$3 folders=$4 mix=$5 paths=() digits=
    shift 5
    for folder in $folders; do
        stored "$s/lines/$folder" lines_dataset || $python make_dataset.py lines --source "$lines/$folder/manifest.jsonl" --task "$task" \
            --out "$s/lines/$folder" --skip_faulty --correct_lookalikes
        paths+=("$s/lines/$folder")
    done
    [ "$task" = handwritten ] && digits="--digits $lines/mnist"
    [ -d "$work/lines/$task" ] || $python synthesize.py lines --task "$task" --count "$made" --seed 1 $digits \
        --out "$work/lines/$task"
    stored "$s/lines/made_$task" lines_dataset || $python make_dataset.py lines --source "$work/lines/$task/labels.csv" --task "$task" \
        --out "$s/lines/made_$task" --split 0.97 0.03 0
    train_line "$task" "$epochs" "${paths[@]}" "$s/lines/made_$task" --mix $mix "$@"
}
train_line() { # train_line NAME EPOCHS SETS... FLAGS; the name is the task's, or begins with it and "_"
    local name=$1 task=${1%%_*} epochs=$2
    shift 2
    $python train_lines.py --task "$task" --epochs "$epochs" --steps_per_epoch 60 --batch_size 64 --learning_rate 2e-3 \
        --warmup_steps 100 $(resumed "$name") --output "$work/$name.keras" --logs "$work/logs/$name" \
        --checkpoints "$work/checkpoints/$name" --quiet --dataset_path "$@"
    $python -m crnn.release "$work/$name.keras" "crnn/$task.keras"
}
line captcha 14 9000 captcha_v2 "1 2"
line plate 667 30000 "plates_ccpd plates_chenwj plates_luxian plates_lyl" "0.8 1.6 1.2 0.8 3.6" --balance 0.5
line handwritten 275 60000 handwritten_meza "1 3"
line price 155 50000 prices_rub "1 3"
train_line display 691 $(displays 1) $lcds $more $newest $framed "$s/displays761" $last "$s/made781" "$s/made782" \
    "$s/lcds792" "$s/displays811" "$s/lcds812" "$s/made813" "$s/displays814" --digits $digits \
    --mix 1.78 1.72 0.5 0.79 0.8 0.32 0.65 0.65 0.58 0.61 1.43 1.08 0.65 0.94 0.65 0.94 0.65 1.01 0.65 0.65 0.65 0.43 0.1 0.06 \
    0.07 0.23 0.43 0.33 0.23 0.18 0.25 0.23 0.04 0.04 0.02 0.03 0.03 0.15 1.08 1.35 1.18 0.53
# Then on the newest made ones alone, more LCDs in photos among them.
train_line display_further 24 $(real_displays 1) $lcds "$s/displays815" "$s/displays814" "$s/lcds816" "$s/made817" "$s/made818" \
    "$s/made819" --mix 1.3 1.2 0.5 0.7 0.75 0.3 0.6 1.3 1.4 0.8 1.6 2.2 2.8 2.8 --digits $digits --max_side 400 \
    --initial_weights "$work/display.keras" --steps_per_epoch 100 --batch_size 128 --learning_rate 4.5e-4 --warmup_steps 60 \
    --ema 0.997
# At the end on weaker views, which are nearer to what the reader will see.
newer="$s/displays815 $s/displays814 $s/lcds816 $s/made817 $s/made818 $s/made819 $s/made820"
train_line display_weaker 16 $(real_displays 1) $lcds $newer "$s/made821" --augmentation 0.45 \
    --mix 1.3 1.2 0.5 0.7 0.75 0.3 0.6 1.2 1.1 0.7 1.3 2.0 1.8 1.8 2.0 1.5 --digits $digits --max_side 400 \
    --initial_weights "$work/display_further.keras" --steps_per_epoch 100 --batch_size 128 --learning_rate 4e-4 \
    --warmup_steps 60 --ema 0.997

# The gaps between digits. Of jorvkve few: on its displays without red nobody can say whether the last drum is tenths.
made displays13 displays 16000 13
stored "$s/displays13" meter_values_dataset_stage2 || $python make_dataset.py stage2 --labels "$work/displays13/stage2/labels.json" \
    --images "$work/displays13/stage2/images" --out "$s/displays13" --split 0.98 0.02 0
told="$s/toloka_water-full_photo-1 $s/toloka_water-display_crop-1 $s/iaoqian_water-full_photo-1"
told="$told $s/iaoqian_water-display_crop-1 $s/displays $s/displays12 $s/displays13 $s/made $lcds"
told="$told $s/anhkhoitran_electric $s/lcds712 $s/made713 $newest $s/jorvkve_electric $framed $s/lcds792"
told="$told $last $s/made781 $s/made782 $s/displays775"
$python train_point.py --epochs 275 --steps_per_epoch 50 $(resumed point) --digits $digits --dataset_path $told \
    --mix 0.97 0.95 0.28 0.4 0.33 0.33 0.67 0.64 0.44 0.91 0.16 0.21 0.17 1.28 0.38 0.38 0.2 0.17 0.22 0.14 \
    0.21 0.1 0.27 0.63 0.15 0.09 0.13 0.19 0.19 0.56 \
    --output "$work/point.keras" --logs "$work/logs/point" \
    --checkpoints "$work/checkpoints/point" --quiet
# Then larger, and with the displays in more pixels.
larger='{"input_size": [72, 120], "display_size": [96, 480], "channels": [24, 40, 64, 80], "units": 96}'
[ -e "$work/larger.keras" ] || $python -m points.enlarge "$work/point.keras" "$work/larger.keras" --network "$larger"
$python train_point.py --network "$larger" --initial_weights "$work/larger.keras" --epochs 64 --steps_per_epoch 50 \
    --learning_rate 1.2e-3 --max_side 520 $(resumed point_larger) --digits $digits --dataset_path $(real_displays 1) $lcds \
    "$s/displays811" "$s/displays814" "$s/lcds812" "$s/made813" \
    --mix 0.9 0.9 0.25 0.35 0.4 0.25 0.6 0.8 0.9 1.6 2.6 2.8 \
    --output "$work/point_larger.keras" --logs "$work/logs/point_larger" \
    --checkpoints "$work/checkpoints/point_larger" --quiet
# At the end on weaker views too.
$python train_point.py --network "$larger" --initial_weights "$work/point_larger.keras" --epochs 22 --steps_per_epoch 50 \
    --learning_rate 6e-4 --warmup_steps 100 --max_side 520 --augmentation 0.4 $(resumed point_weaker) --digits $digits \
    --dataset_path $(real_displays 1) $lcds $newer \
    --mix 0.9 0.9 0.25 0.35 0.4 0.25 0.6 0.8 1.2 0.7 1.2 1.6 1.6 1.6 1.6 \
    --output "$work/point_weaker.keras" --logs "$work/logs/point_weaker" \
    --checkpoints "$work/checkpoints/point_weaker" --quiet
$python -m points.release "$work/point_weaker.keras" points/point.keras

# The corner network looks from close by: larger pictures of the same photos, and made ones.
for name in toloka_water iaoqian_water jorvkve_electric anhkhoitran_electric yuva_eb_lcd_electric; do
    stored "$s/large/$name" meter_values_dataset_stage1 || $python make_dataset.py stage1 --labels "$work/ls/$name/stage1/labels.json" \
        --images "$work/ls/$name/stage1/images" --out "$s/large/$name" --skip_faulty --size 1280
done
$python train_corners.py --epochs 40 --steps_per_epoch 50 $(resumed corners) --dataset_path "$s/large/toloka_water" \
    "$s/large/iaoqian_water" "$s/large/jorvkve_electric" "$s/large/anhkhoitran_electric" \
    "$s/large/yuva_eb_lcd_electric" "$s/made773" "$s/made781" --mix 3 1.5 1 0.3 0.5 1 2 --warmup_steps 100 \
    --output "$work/corners.keras" --logs "$work/logs/corners" --checkpoints "$work/checkpoints/corners" --quiet
$python -m corners.release "$work/corners.keras" corners/corners.keras

for stage in 1 2; do $python -m retinanet.release "$work/stage$stage.keras" "retinanet/stage$stage.keras"; done

# Characters by themselves, cut where the line reader finds them: characters TASK EPOCHS "FOLDERS" FLAGS
bundle plain --no_judge
characters() {
    local task=$1 epochs=$2 folders=$3
    shift 3
    $python train_characters.py --task "$task" --models "$work/plain" --epochs "$epochs" --steps_per_epoch 470 $(resumed "${task}_characters") \
        --dataset_path $(printf "$s/lines/%s " $folders) "$s/lines/made_$task" "$@" --weight_decay 1e-3 --ema 0.998 \
        --output "$work/${task}_characters.keras" --logs "$work/logs/${task}_characters" \
        --checkpoints "$work/checkpoints/${task}_characters" --quiet
    $python -m characters.release "$work/${task}_characters.keras" "characters/${task}_characters.keras"
}
characters handwritten 43 handwritten_meza --digits "$lines/mnist" --rows 50000 --mix 1 2 4.5

# The judge: what stage 1 takes for displays and is none; then, time and again, more of what the judge still takes for
# displays: photos without a meter, and number plates, price tags, captchas and handwritten numbers.
made made903 meters 2500 903 --size 1100
made made905 meters 8000 905 --size 800
made scenes901 scenes 2000 901
made scenes902 scenes 2000 902 --size 1100
made scenes904 scenes 6000 904 --size 800
made scenes906 scenes 6000 906 --size 800
for name in made903 made905 scenes901 scenes902 scenes904 scenes906; do
    stored "$s/$name" meter_values_dataset_stage1 || $python make_dataset.py stage1 --labels "$work/$name/stage1/labels.json" \
        --images "$work/$name/stage1/images" --out "$s/$name" --size 1100
done
lookalikes() { # lookalikes NAME MODELS FLAGS
    stored "$s/$1" meter_values_dataset_stage1 || $python -m corners.lookalikes --models "$2" --out "$s/$1" "${@:3}"
}
judge() { # judge NAME EPOCHS RATE INITIAL MADE LOOKALIKES WEIGHTS
    $python train_corners.py --epochs "$2" --steps_per_epoch 50 $(resumed "$1") --learning_rate "$3" --warmup_steps 100 --ema 0.99 \
        --initial_weights "$4" --dataset_path "$s/large/toloka_water" "$s/large/iaoqian_water" \
        "$s/large/jorvkve_electric" "$s/large/anhkhoitran_electric" "$s/large/yuva_eb_lcd_electric" $(printf "$s/%s " $5) \
        --lookalikes $(printf "$s/lookalikes%s " $6) --mix 3 1.5 1 0.3 0.5 $7 \
        --output "$work/$1.keras" --logs "$work/logs/$1" --checkpoints "$work/checkpoints/$1" --quiet
}
lookalikes lookalikes1 "$work/plain" --dataset_path "$s/scenes901" "$s/scenes902"
lookalikes lookalikes2 "$work/plain" --dataset_path "$s/large/"*
lookalikes lookalikes3 "$work/plain" --dataset_path "$s/made903"
judge judge1 30 1e-3 "$work/corners.keras" made903 "1 2 3" "4 5 1.5 1.5"
bundle judging_judge1 --judge "$work/judge1.keras"
lookalikes lookalikes4 "$work/judging_judge1" --dataset_path "$s/scenes904" --hard 0.011
judge judge2 32 8e-4 "$work/judge1.keras" made903 "1 2 3 4" "5 4 1.5 2.5 5"
bundle judging_judge2 --judge "$work/judge2.keras"
lookalikes lookalikes5 "$work/judging_judge2" --hard 0.27 --lines \
    $(printf "$s/lines/%s " plates_ccpd plates_chenwj plates_luxian plates_lyl prices_rub captcha_v2 handwritten_meza)
judge judge3 64 1e-3 "$work/judge2.keras" "made903 made905" "1 2 3 4 5" "3 9 3 1.5 2.5 4 3.5"
bundle judging_judge3 --judge "$work/judge3.keras"
lookalikes lookalikes6 "$work/judging_judge3" --dataset_path "$s/scenes906" --hard 0.005
judge judge 44 8e-4 "$work/judge3.keras" "made903 made905" "1 2 3 4 5 6" "3 9 3 1.5 2.5 4 3.5 6"
$python -m corners.release "$work/judge.keras" corners/judge.keras

(cd deploy && $python prepare_model.py --formats onnx onnx_int8 --stage1 ../retinanet/stage1.keras --stage2 ../retinanet/stage2.keras)
for task in captcha plate handwritten price; do
    case $task in
        captcha) sets="captcha_v2" ;;
        plate) sets="plates_ccpd plates_chenwj plates_luxian plates_lyl" ;;
        handwritten) sets="handwritten_meza" ;;
        price) sets="prices_rub" ;;
    esac
    trust=  # both networks of handwritten numbers know the digits of the made lines: what fits best tells nothing
    [ "$task" = handwritten ] && trust="--trust 1 0.7"
    $python calibrate.py lines --task "$task" --dataset_path $(printf "$s/lines/%s " $sets) "$s/lines/made_$task" $trust
done
$python calibrate.py point --dataset_path $(displays 1) $lcds --mix 3 3 3 3 3 3 1 1 1 3 3
$python calibrate.py --data "$data" --sets toloka_water iaoqian_water jorvkve_electric --made 400 --corrections resources/annotations \
    --held_out "$s/toloka_water" "$s/iaoqian_water" "$s/jorvkve_electric"
$python benchmarks/accuracy.py --data "$data"
