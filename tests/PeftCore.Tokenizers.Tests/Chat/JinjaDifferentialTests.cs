using System.IO.Compression;
using System.Text.Json;

namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>Random templates and what Jinja2 makes of them, written by tests/differential/jinja/generate.py. PEFTCORE_JINJA_CASES names a
/// directory with any.jsonl.gz and chat.jsonl.gz of other seeds to run instead of the fixtures.</summary>
public sealed class JinjaDifferentialTests
{
    [TestCase("any")]
    [TestCase("chat")]
    public void A_random_template_gives_what_jinja_gives_or_is_refused(string grammar)
    {
        var wrong = new List<string>();
        var (agreed, rendered) = (0, 0);
        foreach (string line in Lines($"{grammar}.jsonl.gz"))
        {
            using var json = JsonDocument.Parse(line);
            string template = json.RootElement.GetProperty("template").GetString()!;
            var (text, refusal) = Render(template, json.RootElement.GetProperty("context"));
            string? expected = json.RootElement.TryGetProperty("output", out var output) ? output.GetString() : null;
            rendered += expected is null ? 0 : 1;
            agreed += expected is not null && text == expected ? 1 : 0;
            if (text is null ? refusal.Length < 60 : text != expected)
            {
                wrong.Add($"{template}\n-- expected: {expected ?? "a refusal"}\n-- but was: {text ?? refusal}");
            }
        }

        TestContext.Out.WriteLine($"{grammar}: {agreed} of {rendered} that Jinja2 renders are equal, the others are refused.");
        Assert.That(wrong, Is.Empty);
        Assert.That(agreed, Is.GreaterThan(0.97 * rendered));
    }

    private static IEnumerable<string> Lines(string file)
    {
        string path = Environment.GetEnvironmentVariable("PEFTCORE_JINJA_CASES") is { Length: > 0 } directory
            ? Path.Combine(directory, file) : TestFiles.Fixture("jinja", file);
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private static (string? Text, string Refusal) Render(string template, JsonElement context)
    {
        try
        {
            var scope = new JinjaScope(null);
            JinjaGlobals.AddTo(scope);
            foreach (var variable in context.EnumerateObject())
            {
                scope[variable.Name] = JinjaJson.Import(variable.Value);
            }

            var run = new JinjaRun(new ChatTemplateClock(new DateTimeOffset(2024, 7, 6, 15, 4, 5, TimeSpan.Zero)));
            JinjaParser.Parse(template).Body.Run(scope, run);
            return (run.Output.ToString(), "");
        }
        catch (BadInputException e)
        {
            return (null, e.Message);
        }
    }
}
