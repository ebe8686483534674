#!/bin/sh
# Two people use Gen3D. Ada asks for three things in a photo, one of which is not in it, and Bob for one; each gets
# meshes and a mail, and neither can see the other's job. What they get is left in the folders ada and bob.
#
# It needs curl (7.76 or newer) and Python 3, which reads and writes the JSON. `gen3d up` prints the command that runs it
# against the cloud on this machine. It was never run against AWS: there, the addresses would be outputs of the stack
# foundation, and MAILS would be empty, for mails are in their readers' mailboxes.
set -eu

PAGE=${PAGE:?where the page and the API are (PageUrl, without the slash at its end)}
COGNITO=${COGNITO:?where users sign in: https://cognito-idp.REGION.amazonaws.com in AWS}
POOL=${POOL:?the pool of users (UserPoolId)}
CLIENT=${CLIENT:?as what the page signs users in (UserPoolClientId)}
REGION=${REGION:?the AWS region}
PHOTO=${PHOTO:?a JPEG: demo/demo.jpg of the checkout}
MAILS=${MAILS:-}


# Tools. -f makes curl fail where the answer is an error, with-body shows which.

ask() {
  curl -sS --fail-with-body "$@"
}

json() { # json KEY VALUE …: an object of strings
  python3 -c 'import json, sys; print(json.dumps(dict(zip(*[iter(sys.argv[1:])] * 2))))' "$@"
}

value() { # value '["id"]' < FILE: a part of some JSON
  python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}

cognito() { # cognito ACTION BODY …
  action=$1 body=$2
  shift 2
  ask "$COGNITO" -H 'Content-Type: application/x-amz-json-1.1' -d "$body" \
    -H "X-Amz-Target: AWSCognitoIdentityProviderService.$action" "$@"
}


# The operator adds a user, with the keys of an AWS account: nobody else can.

operator() {
  cognito "$@" --aws-sigv4 "aws:amz:$REGION:cognito-idp" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"
}

add_user() { # add_user EMAIL PASSWORD
  user='"UserPoolId": "'$POOL'", "Username": "'$1'"'
  operator AdminCreateUser "{$user, \"MessageAction\": \"SUPPRESS\", \"UserAttributes\": [
    {\"Name\": \"email\", \"Value\": \"$1\"}, {\"Name\": \"email_verified\", \"Value\": \"true\"}]}" > answer.txt 2>&1 ||
    grep -q UsernameExistsException answer.txt || # from an earlier run
    { cat answer.txt; exit 1; }
  operator AdminSetUserPassword "{$user, \"Password\": \"$2\", \"Permanent\": true}" > answer.txt
  rm answer.txt
}


# What a user does.

sign_in() { # sign_in EMAIL PASSWORD: the token for the API, which lasts half an hour
  cognito InitiateAuth "{\"AuthFlow\": \"USER_PASSWORD_AUTH\", \"ClientId\": \"$CLIENT\",
    \"AuthParameters\": $(json USERNAME "$1" PASSWORD "$2")}" | value '["AuthenticationResult"]["IdToken"]'
}

create() { # create TOKEN BOXES: the job as the API answers, with its id and the form for the photo
  ask "$PAGE/api/jobs" -H "Authorization: Bearer $1" -d "{\"boxes\": $2, \"options\": {\"formats\": [\"glb\", \"stl\"]},
    \"file\": {\"name\": \"photo.jpg\", \"type\": \"image/jpeg\", \"bytes\": $(wc -c < "$PHOTO")}}"
}

upload() { # upload < JOB: the form's fields, and the photo as the last of them
  python3 -c 'if True:
    import json, sys
    form = json.load(sys.stdin)["upload"]
    print("url =", json.dumps(form["url"]))
    for field in form["fields"].items():
      print("form-string =", json.dumps("=".join(field)))
  ' | ask -K - -F "file=@$PHOTO"
}

wait_for() { # wait_for TOKEN ID FILE: asks for the job until it has ended; all there is to say of it is in the file
  while ask --retry 3 "$PAGE/api/jobs/$2" -H "Authorization: Bearer $1" -o "$3"; do
    [ "$(value '["ended_at"]' < "$3")" = None ] || return 0
    sleep 1
  done
  return 1
}

download() { # download FOLDER < JOB: every file of every object, and those of the job as a whole
  python3 -c 'if True:
    import json, sys
    job = json.load(sys.stdin)
    for file in job["files"] + [file for each in job["objects"] for file in each["files"]]:
      print("url =", json.dumps(file["url"]))
      print("output =", json.dumps(sys.argv[1] + "/" + file["name"]))
  ' "$1" | ask -K -
}

read_mail() { # read_mail EMAIL ID: waits for the mail about the job, which the cloud on this machine keeps
  until ask "$MAILS" | python3 -c 'if True:
    import json, sys
    mails = [mail for account in json.load(sys.stdin)["messages"].values() for mail in account]
    mine = [mail for mail in mails if sys.argv[1] in mail["To"] and sys.argv[2] in mail["BodyText"]]
    for mail in mine:
      print("Subject: " + mail["Subject"], mail["BodyText"].replace("\r", ""), sep="\n\n")
    sys.exit(not mine)
  ' "$1" "$2"; do
    sleep 1
  done
}


# Both sign in.

mkdir -p ada bob
add_user ada@example.com Cup-and-saucer-1
add_user bob@example.com Helmet-and-visor-2
ADA=$(sign_in ada@example.com Cup-and-saucer-1)
BOB=$(sign_in bob@example.com Helmet-and-visor-2)

# Both make a job and send the photo. Boxes are [x_min, y_min, x_max, y_max] in pixels, and may have names. Ada's third
# lies beside the photo: that one will fail, and the others will not.

create "$ADA" '[
  {"x_min": 75, "y_min": 58, "x_max": 485, "y_max": 440, "label": "cup and saucer"},
  {"x_min": 416, "y_min": 507, "x_max": 539, "y_max": 837, "label": "shuttle"},
  {"x_min": 5000, "y_min": 0, "x_max": 5100, "y_max": 90, "label": "nothing"}]' > ada/created.json
create "$BOB" '[[334, 910, 580, 1102]]' > bob/created.json
ADAS_JOB=$(value '["id"]' < ada/created.json)
BOBS_JOB=$(value '["id"]' < bob/created.json)
upload < ada/created.json
upload < bob/created.json

# To Bob there is no job of Ada's, and nothing says that there is one.

curl -sS "$PAGE/api/jobs/$ADAS_JOB" -H "Authorization: Bearer $BOB" -o bob/refused.json
echo "Bob asks for Ada's job: $(value '["error"]["message"]' < bob/refused.json)"

# Both wait, download what was made, and read their mails.

wait_for "$ADA" "$ADAS_JOB" ada/job.json
wait_for "$BOB" "$BOBS_JOB" bob/job.json
download ada < ada/job.json
download bob < bob/job.json
if [ "$MAILS" ]; then
  read_mail ada@example.com "$ADAS_JOB" > ada/mail.txt
  read_mail bob@example.com "$BOBS_JOB" > bob/mail.txt
fi

echo "Ada's job: $(value '["status"]' < ada/job.json): $(value '["objects"][2]["error"]["message"]' < ada/job.json)"
echo "Bob's job: $(value '["status"]' < bob/job.json)"
ls ada bob
