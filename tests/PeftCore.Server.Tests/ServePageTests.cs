using System.Text.Json;
using System.Text.RegularExpressions;
using PeftCore.Cli.Tests;
using PeftCore.Server.Http;
using PeftCore.Server.Protocol;

namespace PeftCore.Server.Tests;

/// <summary>The examples and tables of docs/serve.md.</summary>
public sealed partial class ServePageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "serve.md"));

    [Test]
    public async Task Every_example_is_answered()
    {
        using var directory = new TemporaryDirectory();
        using var reference = new Reference(directory.FullPath, "poems");
        using var served = ServedTool.Start("--adapters-dir", directory.FullPath);
        var examples = Examples().Matches(Page);
        Assert.That(examples, Has.Count.EqualTo(6));

        foreach (Match example in examples)
        {
            string path = example.Groups["path"].Value, json = example.Groups["json"].Value;
            using var response = json.Length > 0 ? await served.Post(path, json) : await served.Http.GetAsync(path);
            string answer = await response.Content.ReadAsStringAsync();
            Assert.That((int)response.StatusCode, Is.EqualTo(200), $"{path}: {answer}");
            Assert.That(answer, json.Contains("\"stream\": true", StringComparison.Ordinal) ? Does.EndWith("data: [DONE]\n\n")
                : Does.StartWith("{").And.EndsWith("}"));
        }
    }

    [Test]
    public void Every_field_stands_in_the_table()
    {
        string[] known = [.. CompletionRequest.Fields.Names.Concat(ChatRequest.Fields.Names).Concat(EmbeddingRequest.Fields.Names)];
        string table = Page[Page.IndexOf("| field |", StringComparison.Ordinal)..Page.IndexOf("**Errors**", StringComparison.Ordinal)];
        string[] told = [.. table.Split('\n').Skip(2).SelectMany(row => Quoted().Matches(row.Split('|').ElementAtOrDefault(1) ?? ""))
            .Select(name => name.Groups[1].Value)];

        Assert.That(told.Distinct(), Is.EquivalentTo(known.Distinct()));
    }

    [Test]
    public void Every_flag_on_the_page_exists()
    {
        var flags = Flags().Matches(Page).Select(flag => flag.Value).Distinct();
        var known = Cli.Options.ServeOptions.Rows.All.Select(row => "--" + row.Name);

        Assert.That(flags.Except(known), Is.EquivalentTo(new[] { "--project" }));
    }

    [Test]
    public void An_error_has_the_four_fields_of_the_api()
    {
        var bytes = JsonBody.Write(writer => JsonBody.WriteError(writer, ApiException.Bad("n", "n is \"0\"", "bad")));

        Assert.That(JsonDocument.Parse(bytes).RootElement.GetProperty("error").EnumerateObject().Select(field => field.Name),
            Is.EqualTo(new[] { "message", "type", "param", "code" }));
    }

    [GeneratedRegex("""```sh\ncurl http://127\.0\.0\.1:8000(?<path>\S+)( -H "Content-Type: application/json" -d '(?<json>[^']+)')?\n```""")]
    private static partial Regex Examples();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("(?<=[`( ])--[a-z][a-z-]+")]
    private static partial Regex Flags();
}
