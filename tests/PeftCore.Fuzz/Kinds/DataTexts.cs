using System.Text.Json;
using PeftCore.Data;
using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Rows of every form, written in every format.</summary>
internal static class DataTexts
{
    private static readonly string[] Words =
        ["a", "b ", " ", ",", "\"", "\n", "\r\n", "\r", "é", "😀", "1", "0,5", "\\", "'", ";", "\t", "{", "null", "#", "=1+1", "\u2028",
            "text"];

    /// <summary>A valid file with its content.</summary>
    public static FuzzInput Valid(FuzzRandom random) => random.Below(5) switch
    {
        0 => Json(random, "a.jsonl"),
        1 => Json(random, "a.json"),
        2 or 3 => Csv(random),
        _ => Lines(random),
    };

    public static string Text(FuzzRandom random) =>
        string.Concat(Enumerable.Range(0, random.Between(1, 5)).Select(_ => random.Pick(Words)));

    /// <summary>A row as one text.</summary>
    public static string Describe(DataRow row) => (row switch
    {
        TextRow text => $"text {Quote(text.Text)}",
        LabelledRow { Pair: { } pair } labelled => $"pair {Quote(labelled.Text)} {Quote(pair)} {Quote(labelled.Label)}",
        LabelledRow labelled => $"labelled {Quote(labelled.Text)} {Quote(labelled.Label)}",
        PromptRow prompt => $"prompt {Quote(prompt.Prompt)} {Quote(prompt.Completion)}",
        InstructionRow instruction =>
            $"instruction {Quote(instruction.Instruction)} {Quote(instruction.Input)} {Quote(instruction.Output)}",
        ChatRow chat => "chat " + string.Join(" ", chat.Turns.Select(turn => $"{Quote(turn.Role)} {Quote(turn.Content)}")),
        TokensRow tagged => $"tagged {string.Join(" ", tagged.Tokens.Select(Quote))} {string.Join(" ", tagged.Tags)}",
        QuestionRow question => $"question {Quote(question.Question)} {Quote(question.Context)} "
            + string.Join(" ", question.Answers.Select(answer => $"{answer.Start} {Quote(answer.Text)}")),
        SourceRow pair => $"source {Quote(pair.Source)} {Quote(pair.Target)}",
        ContrastRow texts => $"contrast {Quote(texts.Text)} {Quote(texts.Positive)} {(texts.Negative is { } far ? Quote(far) : "none")}",
        DocumentRow document => $"document {Quote(document.Text)}",
        _ => row.GetType().Name,
    }) + (row.TaskId is { } task ? $" of task {task}" : "");

    /// <summary>A row of any form as JSON, and its content.</summary>
    public static (JsonTree Json, string Meaning) Row(FuzzRandom random)
    {
        string a = Text(random), b = Text(random), c = Text(random);
        // A file whose labels are numbers in some rows and texts of digits in others is refused.
        string named = b.All(char.IsAsciiDigit) ? $"class {b}" : b;
        int label = random.Below(5);
        return random.Below(13) switch
        {
            0 => (Object(("text", a)), $"text {Quote(a)}"),
            1 => (Object(("prompt", a), ("completion", b)), $"prompt {Quote(a)} {Quote(b)}"),
            2 => (Object(("instruction", a), ("input", b), ("output", c)), $"instruction {Quote(a)} {Quote(b)} {Quote(c)}"),
            3 => (Object(("instruction", a), ("output", c)), $"instruction {Quote(a)} \"\" {Quote(c)}"),
            4 => (Object(("text", a), ("label", named)), $"labelled {Quote(a)} {Quote(named)}"),
            5 => (JsonTree.Parse($"{{\"text\": {Quote(a)}, \"label\": {label}}}"), $"labelled {Quote(a)} \"{label}\""),
            6 => (Object(("text", a), ("text_pair", c), ("label", named)), $"pair {Quote(a)} {Quote(c)} {Quote(named)}"),
            7 => (JsonTree.Parse($"{{\"tags\": [\"O\", \"B-X\"], \"tokens\": [{Quote(a)}, {Quote(b)}]}}"),
                $"tagged {Quote(a)} {Quote(b)} O B-X"),
            8 => Question(random, a, b, c),
            9 => (Object(("target", a), ("source", b)), $"source {Quote(b)} {Quote(a)}"),
            10 => (Object(("text", a), ("positive", b)), $"contrast {Quote(a)} {Quote(b)} none"),
            11 => (Object(("text", a), ("positive", b), ("negative", c)), $"contrast {Quote(a)} {Quote(b)} {Quote(c)}"),
            _ => (JsonTree.Parse(
                $"{{\"messages\": [{Object(("role", "user"), ("content", a))}, {Object(("content", b), ("role", "assistant"))}]}}"),
                $"chat \"user\" {Quote(a)} \"assistant\" {Quote(b)}"),
        };
    }

    // The answer begins after the first part of the context, counted in code points; looked for, it may begin earlier.
    private static (JsonTree Json, string Meaning) Question(FuzzRandom random, string before, string answer, string question)
    {
        string context = $"|{before}{answer}", meaning = $"question {Quote(question)} {Quote(context)}";
        if (random.OnceIn(3))
        {
            return (JsonTree.Parse($"{{\"question\": {Quote(question)}, \"context\": {Quote(context)}, \"answers\": "
                + "{\"text\": [], \"answer_start\": []}}"), meaning + " ");
        }
        int start = 1 + before.EnumerateRunes().Count();
        return random.OnceIn(2)
            ? (JsonTree.Parse($"{{\"question\": {Quote(question)}, \"context\": {Quote(context)}, \"answers\": "
                + $"{{\"text\": [{Quote(answer)}], \"answer_start\": [{start}]}}}}"), $"{meaning} {start} {Quote(answer)}")
            : (Object(("question", question), ("context", context), ("answer", context)), $"{meaning} 0 {Quote(context)}");
    }

    private static JsonTree Object(params (string Key, string Value)[] fields)
    {
        var tree = JsonTree.Parse("{}");
        foreach (var (key, value) in fields)
        {
            tree[key] = JsonTree.Of(value);
        }
        return tree;
    }

    private static FuzzInput Json(FuzzRandom random, string name)
    {
        var rows = Enumerable.Range(0, random.Between(1, 4)).Select(_ => Row(random)).ToArray();
        bool lines = name == "a.jsonl" || random.OnceIn(3);
        string space = lines ? random.Pick("", " ") : random.Pick("", " ", "\n", "\r\n  ");
        string[] texts = [.. rows.Select(row => row.Json.ToString(space))];
        string end = random.Pick("\n", "\r\n"), text = lines ? string.Join(end, texts) + random.Pick("", end, end + end)
            : $"[{string.Join("," + space, texts)}]";
        return new FuzzInput($"valid{Path.GetExtension(name)}", Expectation.Accept, new FuzzFile(name, (random.OnceIn(8) ? "\uFEFF" : "") +
            text))
        { Meaning = rows.Select(row => row.Meaning).ToArray() };
    }

    private static FuzzInput Csv(FuzzRandom random)
    {
        string end = random.Pick("\n", "\r\n", "\r");
        var rows = Enumerable.Range(0, random.Between(1, 4)).Select(_ => (Text: Text(random), Label: Text(random))).ToArray();
        string text = $"text,label{end}" + string.Join(end, rows.Select(row => $"{Field(row.Text, random)},{Field(row.Label, random)}")) +
            random.Pick("", end);
        return new FuzzInput("valid.csv", Expectation.Accept, new FuzzFile("a.csv", (random.OnceIn(8) ? "\uFEFF" : "") + text))
        {
            Meaning =
            rows.Select(row => $"labelled {Quote(row.Text)} {Quote(row.Label)}").ToArray()
        };
    }

    private static string Field(string text, FuzzRandom random) =>
        text.AsSpan().IndexOfAny("\",\r\n") < 0 && !random.OnceIn(3) ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static FuzzInput Lines(FuzzRandom random)
    {
        var rows = Enumerable.Range(0, random.Between(1, 4))
            .Select(_ => (Label: random.Below(6), Text: random.Pick("good", "bad film", "a, b", "é \"x\"", "1 2"))).ToArray();
        return new FuzzInput("valid lines", Expectation.Accept,
            new FuzzFile("a.dev", string.Join("\n", rows.Select(row => $"{row.Label} {row.Text}")) + random.Pick("", "\n")))
        {
            Meaning = rows.Select(row => $"labelled {Quote(row.Text)} \"{row.Label}\"").ToArray(),
        };
    }

    public static string Quote(string text) => JsonSerializer.Serialize(text);
}
