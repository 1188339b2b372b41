using ILGPU;
using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Docs.Tests;

/// <summary>A likely mistake in an exercise gets a sentence that says what is wrong.</summary>
[NonParallelizable]
public sealed class MistakeTests
{
    private static readonly string[] Args = ["--check"];

    private static IEnumerable<TestCaseData> Mistakes()
    {
        yield return Mistake("01-tape", "each output depends on every input",
            () => TapeCheck.Run(Args, (y, dy) => [.. y.Zip(dy, (p, d) => d * p * (1 - p))]));
        yield return Mistake("02-saved-tensors", "the tape keeps 0 bytes",
            () => SavedBytesCheck.Run(Args, (bytes, trains) => bytes * trains.Length));
        yield return Mistake("03-lora", "s is missing",
            () => LoraCheck.Run(Args, (x, w, bias, a, b, _) => x.Linear(w, bias) + x.Linear(a).Linear(b)));
        yield return Mistake("03-lora", "the bias of the layer is missing",
            () => LoraCheck.Run(Args, (x, w, _, a, b, s) => x.Linear(w) + s * x.Linear(a).Linear(b)));
        yield return Mistake("04-rank", "the answer is 3", () => WeightChecks.RunRank(Args, (sigma, _) => sigma.Length));
        yield return Mistake("05-merging", "entry [0, 0]", () => WeightChecks.RunMerge(Args, (w, _, _, _, _) => w));
        yield return Mistake("06-five-lines", "b multiplies the update alone", () => LoraCheck.RunVera(Args,
            (x, w, a, b, d, scale) => (x.Linear(w) + x.Linear(a).MultiplyRow(d).Linear(b)).MultiplyRow(scale)));
        yield return Mistake("07-prompts", "the virtual tokens have positions too",
            () => ModelChecks.RunPrompt(Args, (table, prompt, ids) => (Tensor.Concat(prompt, table.Rows(ids)), [0, 1, 2])));
        yield return Mistake("08-bottlenecks", "Pfeiffer's reads x + h", () => ModelChecks.RunBottleneck(Args,
            (x, h, w1, b1, w2, b2, phi) => x + h + phi(h.Linear(w1, b1)).Linear(w2, b2)));
        yield return Mistake("09-choosing", "those of entries 2 and 4 cancel", () => WeightChecks.RunChoice(Args, (_, _, _) => [2, 4]));
        yield return Mistake("10-quantised", "round to the nearest", () => WeightChecks.RunCodes(Args, row =>
            ([.. row.Select(value => (sbyte)(value * 127 / row.Max(Math.Abs)))], row.Max(Math.Abs) / 127)));
        yield return Mistake("11-forgetting", "the forgetting is 1.75", () => ForgettingCheck.Run(Args, losses =>
            Enumerable.Range(0, losses.Length - 1).Average(j => losses[^1][j] - losses[j][j])));
        yield return Mistake("12-attention", "have different maxima", () => AttentionCheck.Run(Args, (a, b) =>
            new SoftmaxPiece(Math.Max(a.M, b.M), a.L + b.L, [.. a.O.Zip(b.O, (x, y) => x + y)])));
        yield return Mistake("13-kernel", "(t, o) is at t·columns + o", () => KernelCheck.Run(Args, Transposed));
        yield return Mistake("14-graph", "copy the new one into the static input", () => GraphCheck.Run(Args, (_, step) =>
        {
            List<Action> graph = [];
            step(kernel =>
            {
                kernel();
                graph.Add(kernel);
            });
            return _ => graph.ForEach(kernel => kernel());
        }));
    }

    [TestCaseSource(nameof(Mistakes))]
    public void Its_sentence_says_what_is_wrong(string sentence, Func<int> check)
    {
        var console = Console.Out;
        using var output = new StringWriter();
        Console.SetOut(output);
        int code;
        try
        {
            code = check();
        }
        finally
        {
            Console.SetOut(console);
        }
        Assert.That(output.ToString(), Does.StartWith("wrong: ").And.Contains(sentence));
        Assert.That(code, Is.EqualTo(1));
    }

    /// <summary>A kernel that takes y for (columns, rows).</summary>
    public static void Transposed(Index2D at, int columns, ArrayView<float> l, ArrayView<float> y) => y[at.Y * 5 + at.X] *= l[at.X];

    private static TestCaseData Mistake(string exercise, string sentence, Func<int> check) =>
        new(sentence, check) { TestName = $"{exercise}: {sentence}" };
}
