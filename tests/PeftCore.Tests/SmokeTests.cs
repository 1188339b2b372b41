namespace PeftCore.Tests;

public sealed class SmokeTests
{
    [Test]
    public void Bad_input_keeps_its_sentence() => Assert.That(new BadInputException("why").Message, Is.EqualTo("why"));
}
