"""`python -m svc_sound`: the sound service as a process."""

from mesh.app import run
from svc_sound.app import build
from svc_sound.settings import SoundSettings

if __name__ == "__main__":
    run(build, SoundSettings)
