using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class JsonReportTests
{
    [Test]
    public void Is_one_line_and_writes_what_json_has_no_word_for_as_null()
    {
        string json = new JsonReport().Add("loss", double.NaN).Add("perplexity", double.PositiveInfinity).Add("steps", 3).Add("text", "naïve \"x\"\n").ToJson();

        Assert.That(json, Is.EqualTo("""{"loss":null,"perplexity":null,"steps":3,"text":"naïve \"x\"\n"}"""));
    }
}
