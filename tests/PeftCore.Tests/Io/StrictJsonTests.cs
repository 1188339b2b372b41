using System.Text.Json;

namespace PeftCore.Tests.Io;

public sealed class StrictJsonTests
{
    [TestCase("""{"a":1,"b":{"a":1,"c":[{"a":2},{"a":3}]}}""")]
    [TestCase("""[{"x":1},{"x":1}]""")]
    [TestCase("null")]
    public void A_name_may_come_again_in_another_object(string json)
    {
        using var document = StrictJson.Parse(json);
        Assert.That(document.RootElement.GetRawText(), Is.EqualTo(json));
    }

    [TestCase("""{"a":1,"a":2}""")]
    [TestCase("""{"a":1,"b":{},"a":1}""")]
    [TestCase("""[{"b":[{"c":1,"d":{"c":1},"c":2}]}]""")]
    [TestCase("""{"a":1,"\u0061":2}""")]
    public void A_name_that_stands_twice_in_one_object_is_refused(string json)
    {
        var e = Assert.Catch<JsonException>(() => StrictJson.Parse(json))!;
        Assert.That(e.Message, Does.Contain("stands twice in one object"));
        Assert.Catch<JsonException>(() => StrictJson.ParseNode(json));
    }

    [Test]
    public void A_name_of_half_a_surrogate_pair_is_refused() =>
        Assert.Catch<JsonException>(() => StrictJson.Parse("""{"\ud800":1}"""));
}
