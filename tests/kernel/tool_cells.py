"""Cells that define the functions which the tests of ``--tools`` offer to a model."""

from __future__ import annotations

HARMLESS = "import or_magic, asyncio, threading, time\nharmless = or_magic.tool(approve=False)\n"
DATABASE = """
import aiosqlite
connection = await aiosqlite.connect(':memory:')
await connection.execute('create table t as select 1 as a, 2 as b')
gate, home = asyncio.Lock(), asyncio.get_running_loop()
"""
ROWS = """
@harmless
async def rows(table: str = 't') -> list:
    assert asyncio.get_running_loop() is home
    async with gate, connection.execute('select * from ' + table) as cursor:
        return await cursor.fetchall()
"""
AREA = """
ran = []
def area(width: int = 3, unit: str = 'km') -> str:
    ran.append(width); return 'nine'
"""
NAP = """
lock = asyncio.Lock()
@harmless
async def nap(seconds: int = 2) -> str:
    async with lock: await asyncio.sleep(seconds)
    return 'slept'
"""
HOSTILE = """
import typing, pydantic
class Told(str):
    def __repr__(self): return str(self)
def plain(word: typing.Literal[EVIL]) -> str: return 'x'
def raw(word: typing.Annotated[typing.Literal[EVIL], pydantic.AfterValidator(Told)]) -> str: return 'x'
"""
SHOWING = """
from IPython.display import display, HTML
count = 0
@harmless
def look(word: str = 'w') -> str:
    global count
    count += 1
    print('printed'); display(HTML('<b>displayed</b>'))
    return str(threading.current_thread() is threading.main_thread())
@harmless
def plot(n: int = 3) -> object:
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots()
    axes.plot(range(n)); plt.close(figure)
    return figure
"""
SLEEPERS = """
seen = []
@harmless
def notes(word: str = 'w') -> str: return 'noted'
def sleeps(seconds: int = 60) -> str:
    print('begun'); seen.append(seconds); time.sleep(seconds)
async def sleeps_async(seconds: int = 60) -> str:
    print('begun')
    try: seen.append(seconds); await asyncio.sleep(seconds)
    except asyncio.CancelledError: seen.append('cancelled'); raise
sleeps, sleeps_async = harmless(sleeps), harmless(sleeps_async)
"""
BACKGROUND = """
ran = []
def at(name): ran.append((name, threading.current_thread() is threading.main_thread()))
@or_magic.tool(approve=False, thread_safe=True)
def beside(n: int = 3) -> str:
    at('beside'); return 'from beside'
@harmless
def waits(n: int = 3) -> str:
    at('waits'); print('printed late'); return 'from waits'
@harmless
async def waits_async(n: int = 3) -> str:
    await asyncio.sleep(0.1); at('waits_async'); return 'from waits_async'
"""
