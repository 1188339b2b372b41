using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Tests.Peft;

/// <summary>Adapters of different methods on one base: each method with the next, around the whole list.</summary>
public sealed class MethodMixTests
{
    private static IEnumerable<TestCaseData> Neighbours()
    {
        foreach (var family in Family.All)
        {
            var cases = MethodCases.All.Where(method => method.Fits(family)).ToList();
            for (int i = 0; i < cases.Count; i++)
            {
                yield return new(family, cases[i], cases[(i + 1) % cases.Count]);
            }
        }
    }

    [TestCaseSource(nameof(Neighbours))]
    public void Two_methods_share_a_batch_work_together_and_swap(Family family, MethodCase one, MethodCase two)
    {
        using var bench = new Bench(family);
        var model = bench.Model;
        float[] plain = bench.Logits();
        model.AddAdapter(one.Config(family), "one", seed: 1);
        bench.Perturb(1);
        float[] first = bench.Logits();
        model.AddAdapter(two.Config(family), "two", seed: 2);
        bench.Perturb(2);
        float[] second = bench.Logits();
        if (model.Get("one").Swaps.Count == 0 && model.Get("two").Swaps.Count == 0)
        {
            string[] rows = ["two", PeftModel.NoAdapter, "one"];
            if (IsTokens("one") && IsPrefix("two") || IsPrefix("one") && IsTokens("two"))
            {
                Assert.That(() => model.WithRowAdapters(rows, bench.Logits),
                    Throws.TypeOf<BadInputException>().With.Message.Contains("run those rows apart"));
                return;
            }
            float[] mixed = model.WithRowAdapters(rows, bench.Logits);
            int row = mixed.Length / rows.Length;
            Assert.That(Fixtures.Error(mixed.AsSpan(0, row), second.AsSpan(0, row)), Is.LessThan(1e-5), two.Name);
            Assert.That(Fixtures.Error(mixed.AsSpan(row, row), plain.AsSpan(row, row)), Is.LessThan(1e-5), "base");
            Assert.That(Fixtures.Error(mixed.AsSpan(2 * row), first.AsSpan(2 * row)), Is.LessThan(1e-5), one.Name);
        }
        if (model.Get("one").Swaps.Count == 0 || model.Get("two").Swaps.Count == 0)
        {
            model.SetActive("one", "two");
            float[] together = bench.Logits();
            Assert.That(Fixtures.Error(together, first), Is.GreaterThan(1e-5));
            Assert.That(Fixtures.Error(together, second), Is.GreaterThan(1e-5));
            Assert.That(bench.Step(), Is.Positive);
        }
        model.SetActive("one");
        Assert.That(bench.Logits(), Is.EqualTo(first), "swapped back");
        model.SetActive("two");
        Assert.That(bench.Logits(), Is.EqualTo(second), "swapped again");
        model.Unload();
        Assert.That(bench.Logits(), Is.EqualTo(plain), "unloaded");

        bool IsTokens(string name) => model.Get(name).Prompt is TokenPrompt;
        bool IsPrefix(string name) => model.Get(name).Prompt is PrefixEncoder;
    }
}
