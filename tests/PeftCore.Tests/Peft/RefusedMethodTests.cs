namespace PeftCore.Tests.Peft;

/// <summary>Methods that a family cannot have are refused, and leave the model as it was.</summary>
[TestFixtureSource(typeof(MethodCases), nameof(MethodCases.Refused))]
public sealed class RefusedMethodTests(MethodCase method, Family family)
{
    [Test]
    public void It_is_refused_in_a_sentence_that_names_the_family()
    {
        using var bench = new Bench(family);

        Assert.That(() => bench.Model.AddAdapter(method.Config(family)), Throws.TypeOf<BadInputException>()
            .With.Message.Contains($"this {family.Name} model").And.Message.Contains("target modules: "));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }
}
