using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Lessons;

/// <summary>Exercises 7 and 8: what a model reads, and what is put between its layers.</summary>
public static class ModelChecks
{
    /// <summary>Exercise 7: embeddings and positions behind a prompt.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="withPrompt">The embeddings (n + T, hidden) and the positions, from the table, P (n, hidden) and T ids.</param>
    public static int RunPrompt(string[] args, Func<Tensor, Tensor, int[], (Tensor Embeddings, int[] Positions)> withPrompt) =>
        Check.Run(args, "07-prompts",
        "the prompt is read first, and positions count it", () =>
        {
            using var backend = new CpuBackend(1);
            using var scope = new TensorScope();
            Tensor table = LoraCheck.New(backend, 1, 7, 3), prompt = LoraCheck.New(backend, 2, 2, 3);
            int[] ids = [5, 0, 6];
            var (embeddings, positions) = withPrompt(table, prompt, ids);
            float[] rows = table.Rows(ids).ToFloats(), p = prompt.ToFloats();
            Check.That(embeddings.Shape == Shape.Of(5, 3),
                $"the embeddings have the shape {embeddings.Shape} and should have (5, 3): 2 virtual tokens and 3 real ones");
            Check.That(!embeddings.ToFloats().SequenceEqual(rows.Concat(p)),
                "the prompt comes before the tokens: a causal model would not see it after them");
            Check.Equal("the embeddings", embeddings.ToFloats(), [.. p, .. rows]);
            Check.That(!positions.SequenceEqual([0, 1, 2]), "the virtual tokens have positions too");
            Check.That(positions.SequenceEqual([0, 1, 2, 3, 4]),
                $"the positions are {string.Join(", ", positions)} and should be 0, 1, 2, 3, 4");
        });

    /// <summary>Exercise 8: a Pfeiffer adapter.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="pfeiffer">y from x, h, W₁, b₁, W₂, b₂ and φ.</param>
    public static int RunBottleneck(string[] args, Func<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Func<Tensor, Tensor>,
        Tensor> pfeiffer) =>
        Check.Run(args, "08-bottlenecks", "y is x + h + W₂·φ(W₁·(x + h) + b₁) + b₂", () =>
        {
            using var backend = new CpuBackend(1);
            using var scope = new TensorScope();
            Tensor x = LoraCheck.New(backend, 1, 3, 6), h = LoraCheck.New(backend, 2, 3, 6), w1 = LoraCheck.New(backend, 3, 2, 6),
                b1 = LoraCheck.New(backend, 4, 2);
            Tensor w2 = LoraCheck.New(backend, 5, 6, 2), b2 = LoraCheck.New(backend, 6, 6);
            static Tensor Phi(Tensor u) => u * u;
            float[] y = pfeiffer(x, h, w1, b1, w2, b2, Phi).ToFloats();
            float[] Expected(Tensor around, Tensor u) => (around + Phi(u.Linear(w1, b1)).Linear(w2, b2)).ToFloats();
            Check.That(!Near(y, Expected(x + h, h)), "f reads h here, as Houlsby's adapter does; Pfeiffer's reads x + h");
            Check.That(!Near(y, Expected(x * 0, x + h)), "the residual is missing: y is x + h + f, not f alone");
            Check.Equal("y", y, Expected(x + h, x + h));
        });

    private static bool Near(float[] a, float[] b) => a.Length == b.Length && a.Zip(b, (x, y) => Math.Abs(x - y)).Max() < 1e-5;
}
