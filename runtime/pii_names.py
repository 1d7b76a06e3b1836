"""Recogniser of Chinese names by surname and the words around; it knows no given names and no sentences.

A lexicon cannot tell a name from other words for sure, which is why it is off unless asked for.
"""

from __future__ import annotations

import re

from runtime.pii_recognizer import Recognizer

_SINGLE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁沈任姚卢傅钟姜崔谭廖"
    "范汪陆金石戴贾韦夏邱侯邹熊孟秦白江阎薛尹段雷龙黎史贺陶顾龚郝邵万覃武钱严赖洪莫孔汤尤常温康施文牛樊葛邢安齐易乔伍庞颜"
    "倪庄聂章鲁岳翟申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷曲盛冉翁蓝骆路游靳辛管柴蒙鲍华喻祁蒲房滕"
    "屈饶解牟艾尤阳穆司卓古吉缪简车项连芦麦褚娄窦戚岑党宫费卜冷晏席卫米柏宗代桂全佟应臧闵苟邬卞姬师和仇栾隋商刁沙荣巫寇桑郎"
    "甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_AMBIGUOUS = frozenset(
    "和全成应安常文明查代师于解车连路关管单简古房党项左华游池白余任曾康司史谢季向越牛马毛蒙江田"
)
"""Surnames that are words of their own: they count only where a name is announced."""

_DOUBLE = (
    "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|令狐|慕容|司徒|夏侯|宇文|长孙|端木|南宫|轩辕|独孤|闻人|呼延"
)
_HANZI = "\u4e00-\u9fff"
_TITLE = (
    "先生|女士|小姐|老师|医生|大夫|教授|经理|主任|律师|同学|师傅"
    "|阿姨|叔叔|博士|院长|校长|护士|主管|总监|警官|法官"
)
_NO_GIVEN_NAME = (
    "的了是在来和也很今年从住给跟有不就都这那我你他她们吗呢吧啊已会能要想去到说请打把被让对与及或等"
)
_GIVEN = rf"(?![{_NO_GIVEN_NAME}]|{_TITLE})[{_HANZI}]"
_SURE = "".join(sorted(set(_SINGLE) - _AMBIGUOUS))
_NAME = (
    re.compile(
        r"(?:我叫|名叫|叫做|姓名|名字(?:叫|是)|联系人|收[件货]人|寄件人|经办人|申请人|患者|客户)"
        r"(?:是|为)?[ :]{0,3}"
        rf"(?P<value>(?:{_DOUBLE}|[{_SINGLE}]){_GIVEN}(?:{_GIVEN})?)"
    ),
    re.compile(
        rf"(?<![基资黄现奖公历])(?P<value>(?:{_DOUBLE}|[{_SURE}])(?:{_GIVEN}){{0,2}})(?=(?:{_TITLE})(?!们))"
    ),
)
_NAME_WORD = re.compile(rf"叫|名|人|患者|客户|{_TITLE}")

NAME = Recognizer("【姓名】", _NAME, _NAME_WORD, default=False)
