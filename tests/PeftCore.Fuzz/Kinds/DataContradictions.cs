using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Contradictory data files, each of which must cause an error or a warning.</summary>
internal static class DataContradictions
{
    private static readonly (string Rule, Func<FuzzRandom, string> Row)[] Rows =
    [
        ("a field twice", random => Doubled(random)),
        ("two forms in one row", random => random.Pick(
            "{\"text\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}",
            "{\"text\": \"a\", \"prompt\": \"a\", \"completion\": \"b\"}",
            "{\"prompt\": \"a\", \"completion\": \"b\", \"label\": 1}",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"b\"}], \"label\": 1}",
            "{\"instruction\": \"a\", \"output\": \"b\", \"text\": \"c\"}",
            "{\"prompt\": \"a\", \"completion\": \"b\", \"instruction\": \"c\", \"output\": \"d\"}",
            "{\"source\": \"a\", \"target\": \"b\", \"label\": 1}", "{\"tokens\": [\"a\"], \"tags\": [\"O\"], \"text\": \"a\"}",
            "{\"text\": \"a\", \"positive\": \"b\", \"label\": 1}",
            "{\"question\": \"q\", \"context\": \"c\", \"answer\": \"c\", \"answers\": {\"text\": [], \"answer_start\": []}}")),
        ("a field missing", random => random.Pick("{\"prompt\": \"a\"}", "{\"completion\": \"a\"}", "{\"label\": 1}",
            "{\"instruction\": \"a\"}", "{\"output\": \"a\"}", "{\"input\": \"a\", \"output\": \"b\"}", "{}", "{\"source\": \"a\"}", "{\"text\": \"a\", \"negative\": \"b\"}",
            "{\"text\": \"a\", \"text_pair\": \"b\"}", "{\"question\": \"q\", \"context\": \"c\"}", "{\"tags\": [\"O\"], \"label\": 1}")),
        ("a field of the wrong type", random => random.Pick(
            "{\"text\": 1}", "{\"text\": null}", "{\"text\": [\"a\"]}", "{\"text\": {\"a\": 1}}",
            "{\"prompt\": \"a\", \"completion\": null}", "{\"prompt\": true, \"completion\": \"b\"}", "{\"messages\": \"hi\"}",
            "{\"messages\": []}", "{\"messages\": null}", "{\"messages\": {}}", "{\"messages\": [\"a\"]}")),
        ("tags that do not fit", random => $"{{\"tokens\": [\"a\", \"b\"], \"tags\": {random.Pick("[\"O\"]", "[\"O\", 1]", "[\"O\", \"\"]",
            "[\"O\", \"O\", \"O\"]", "[]", "[1.5, 0]", "[-1, 0]", "[null, \"O\"]", "\"O\"", "null", "{}")}}}"),
        ("an answer that is not in the context", random => "{\"question\": \"q\", \"context\": \"a\uD83D\uDE00b\", " + random.Pick(
            "\"answer\": \"x\"", "\"answer\": \"\"", "\"answer\": null", "\"answer\": \"A\"", "\"answers\": \"b\"", "\"answers\": [\"b\"]",
            "\"answers\": {\"text\": [\"b\"], \"answer_start\": [3]}", "\"answers\": {\"text\": [\"b\"], \"answer_start\": [-1]}",
            "\"answers\": {\"text\": [\"b\"], \"answer_start\": []}", "\"answers\": {\"text\": [\"\"], \"answer_start\": [0]}",
            "\"answers\": {\"text\": [\"b\"], \"answer_start\": [4000000000]}", "\"answers\": {\"text\": [\"b\"]}",
            "\"answers\": {\"text\": \"b\", \"answer_start\": 2}") + "}"),
        ("a label that is none", random =>
            $"{{\"text\": \"a\", \"label\": {random.Pick("1.5", "null", "true", "[]", "[1]", "{}", "\"\"", "1e99", "\"\"")}}}"),
        ("a turn that is none", random => $"{{\"messages\": [{{\"role\": \"user\", \"content\": \"a\"}}, {random.Pick(
            "{\"role\": \"assistant\"}", "{\"content\": \"a\"}", "{\"role\": \"assistent\", \"content\": \"a\"}", "{\"role\": \"assistant\", \"content\": null}", "{\"role\": 1, \"content\": \"a\"}", "{\"role\": \"assistant\", \"content\": \"a\", \"role\": \"user\"}",
            "{\"role\": \"assistant\", \"content\": \"a\", \"content\": \"b\"}", "null", "[]")}]}}"),
        ("nothing to learn", _ => "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}"),
        ("a task that is none", random =>
            $"{{\"text\": \"a\", \"task_id\": {random.Pick("-1", "1.5", "\"1\"", "true", "null", "[0]", "4294967296")}}}"),
        ("no JSON", random => random.Pick("{\"text\": \"a\",}", "{'text': 'a'}", "{text: \"a\"}", "{\"text\": \"a\"} x", "{\"text\": NaN}",
            "{\"text\": \"a\\x\"}", "{\"text\": \"\\ud800\"}", "{\"text\": \"a\"", "{\"text\" \"a\"}", "{\"text\": \"a\tb\"}", "\"a\"", "7",
            "null", "// x")),
        ("a row that is cut off", random => Cut(random)),
    ];

    private static readonly (string Rule, Func<FuzzRandom, string> Text)[] Tables =
    [
        ("a column twice", random => random.Pick("text,text\na,b\n", "text,label,label\na,1,2\n", "prompt,completion,prompt\na,b,c\n",
            "\"text\",text\na,b\n")),
        ("columns of no form", random => random.Pick("text,foo\na,b\n", "prompt\na\n", "foo\na\n", "text,completion\na,b\n",
            "Text,Label\na,1\n", ",\na,b\n", "text,label,\na,1,\n")),
        ("a ragged row", random => random.Pick("text,label\na\n", "text,label\na,1,2\n", "text,label\na,1\nb\n", "text,label\na,1\n\"b\n",
            "text,label\n,\n", "text,label\na,\n")),
        ("quotes of another dialect", _ => "'text','label'\n'a','1'\n"),
        ("quotes in the wrong place", random => random.Pick("text,label\na\"b,1\n", "text,label\n\"a\"b,1\n", "text,label\n\"a,1\n",
            "text,label\n\"a\"\"b,1\n", "text,label\n\"a\" ,1\n", "text,label\na,\"1\n")),
        ("no rows", random => random.Pick("text,label\n", "text,label", "text", "\n\n")),
    ];

    private static readonly string[] Lines = ["good\n", "-1 good\n", "1.5 good\n", "x good\n", "1,5 good\n", "99999999999 good\n", "1\n",
        "\n \n", "0x1 good\n", "1e3 good\n", "1;good\n"];

    public static FuzzInput Make(FuzzRandom random)
    {
        switch (random.Below(11))
        {
            case 10:
                string mark = random.Pick(";", "\t", "|"), text = random.Pick("a", "b c", "é");
                return new FuzzInput("columns divided by other marks", Expectation.RefuseOrWarn,
                    new FuzzFile("a.csv", $"text{mark}label\n{text}{mark}1\n"))
                {
                    Names = ["divided", "commas"],
                    Meaning = new[] { $"labelled {DataTexts.Quote(text)} \"1\"" },
                };
            case 0 or 1 or 2:
                var (tableRule, table) = random.Pick(Tables);
                return Refused(tableRule, "a.csv", table(random));
            case 3:
                return Refused("no class number", "a.dev", random.OnceIn(2) ? random.Pick(Lines) : "1 a\n" + random.Pick(Lines[..7]));
            case 4:
                return Refused("no text", random.Pick("a.txt", "a.csv", "a.jsonl", "a.json", "a.dev"),
                    random.Pick("", " ", "\n", "\uFEFF", "\r\n\t\n"));
            default:
                return OfRow(random);
        }
    }

    private static FuzzInput OfRow(FuzzRandom random)
    {
        var (rule, row) = random.Pick(Rows);
        List<string> rows = [.. Enumerable.Range(0, random.Below(3)).Select(_ => DataTexts.Row(random).Json.ToString(""))];
        int at = random.Between(0, rows.Count);
        // A comment, a list or an object without its end swallows what follows; alone at the end it stays what it is.
        rows.Insert(at, row(random));
        return random.OnceIn(3) ? Refused(rule, "a.json", $"[{string.Join(",\n", rows)}]")
            : Refused(rule, "a.jsonl", string.Join("\n", rows) + "\n");
    }

    private static FuzzInput Refused(string rule, string name, string text) =>
        new($"{rule}{Path.GetExtension(name)}", Expectation.Refuse, new FuzzFile(name, text));

    private static string Doubled(FuzzRandom random)
    {
        var row = DataTexts.Row(random).Json;
        JsonEdits.Double(random, row, random.Pick(row.Fields!).Key, JsonTree.Of(DataTexts.Text(random)));
        return row.ToString("");
    }

    private static string Cut(FuzzRandom random)
    {
        string row = DataTexts.Row(random).Json.ToString("");
        return row[..random.Between(1, row.Length - 1)];
    }
}
