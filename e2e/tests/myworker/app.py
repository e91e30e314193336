raise RuntimeError("this is the app.py of the image's working folder, and not the one of the test")
