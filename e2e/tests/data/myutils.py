def myfunc():
    print("printed on the way")
    return "foo"
