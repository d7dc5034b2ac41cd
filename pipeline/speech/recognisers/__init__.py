"""A recogniser of speech a file; `speech.recogniser` of a study is a file's name."""
