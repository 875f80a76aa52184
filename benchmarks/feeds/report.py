def cpu_slug(x): return x.lower().replace(' ','-')
def render(raw): return ''
