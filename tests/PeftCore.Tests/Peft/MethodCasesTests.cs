using System.Reflection;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

public sealed class MethodCasesTests
{
    [Test]
    public void Every_registered_method_is_held_to_every_property()
    {
        int properties = new[] { typeof(PeftPropertyTests), typeof(PeftStorageTests),
            typeof(PeftTrainingTests) }.SelectMany(type => type.GetMethods())
            .Sum(method => Math.Max(method.GetCustomAttributes<TestCaseAttribute>().Count(), method.IsDefined(typeof(TestAttribute)) ? 1
                : 0));
        TestContext.Progress.WriteLine(
            $"{MethodCases.All.Count} configurations x {Family.All.Count} families x {properties} properties = " +
            $"{MethodCases.OnAllFamilies.Count() * properties} cases");
        Assert.That(MethodCases.All.Select(method => method.Config(Family.Llama).PeftType).Distinct(), Is.EquivalentTo(PeftMethods.Types));
        Assert.That(MethodCases.All.Select(method => method.Name), Is.Unique);
    }
}
