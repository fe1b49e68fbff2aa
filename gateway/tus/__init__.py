"""tus 1.0 (tus.io/protocols/resumable-upload): the second door of upload sessions, for clients that send a file as one stream and go on after a break."""
