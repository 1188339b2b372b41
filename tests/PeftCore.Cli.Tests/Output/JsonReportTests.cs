using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class JsonReportTests
{
    [Test]
    public void Is_one_line_and_null_stands_for_what_there_is_not()
    {
        string json = new JsonReport().Add("loss", 0.5).Add("eval_loss", (double?)null).Add("steps", 3).Add("text", "naïve \"x\"\n")
            .ToJson();

        Assert.That(json, Is.EqualTo("""{"loss":0.5,"eval_loss":null,"steps":3,"text":"naïve \"x\"\n"}"""));
    }

    [TestCase(double.NaN, "loss is NaN")]
    [TestCase(double.PositiveInfinity, "loss is infinite")]
    [TestCase(double.NegativeInfinity, "loss is infinite")]
    public void A_number_that_is_not_finite_is_no_result(double value, string sentence) =>
        Assert.That(() => new JsonReport().Add("loss", value), Throws.TypeOf<RunFailedException>().With.Message.Contains(sentence));
}
