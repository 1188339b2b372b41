namespace PeftCore.Cli.Tests;

public sealed class SmokeTests
{
    [Test]
    public void The_tool_has_its_own_assembly() => Assert.That(typeof(Program).Assembly.GetName().Name, Is.EqualTo("PeftCore.Cli"));
}
