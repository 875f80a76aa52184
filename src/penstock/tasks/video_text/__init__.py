"""Videos in archives and the captions that tell of them: which caption is which video's."""
