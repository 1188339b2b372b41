using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Optim;
using PeftCore.Tensors;

namespace PeftCore.Tests.Docs.Snippets;

/// <summary>LoRA from plain ops, one line a term of its equation: the readable twin of the fused <see cref="LowRankLinearOp"/>. It computes
/// the same numbers and saves more for backward.</summary>
internal static class LoraByHand
{
    /// <summary>y = x·Wᵀ + b + s·(((dropout(x)·Aᵀ)∘m)·Bᵀ + bias)</summary>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, bool transposed, LowRankUpdate lora)
    {
        var y = x.Linear(weight, bias, transposed); // (…, out)
        var down = x.Dropout(lora.Dropout).Linear(lora.A); // (…, r)
        var scaled = lora.Diagonal is null ? down : down.MultiplyRow(lora.Diagonal); // (…, r)
        var up = scaled.Linear(lora.B, lora.Bias); // (…, out)
        return y + up * lora.Scale;
    }

    /// <summary>W + ΔW with ΔW = s·B·diag(m)·A: what a merge writes, in the layout of W.</summary>
    public static Tensor Merged(Tensor weight, bool transposed, LowRankUpdate lora)
    {
        var b = lora.Diagonal is null ? lora.B : lora.B.MultiplyRow(lora.Diagonal); // (out, r)
        var delta = transposed ? lora.A.MatMul(b, transposeA: true, transposeB: true) : b.MatMul(lora.A);
        return weight + delta * lora.Scale;
    }

    /// <summary>Trains A and B beside a frozen weight until the layer imitates another one.</summary>
    /// <returns>The loss of each step.</returns>
    public static float[] Train(int steps)
    {
        const int Rows = 32, Inputs = 12, Outputs = 10, Rank = 4;
        const float Scale = 8f / Rank; // α/r
        using var backend = new CpuBackend();
        using var all = new TensorScope();
        var random = new Random(7);
        var weight = Uniform(backend, random, [Outputs, Inputs], 0.3f); // frozen: no gradient is ever formed for it
        var goal = weight + Uniform(backend, random, [Outputs, Rank], 0.5f).MatMul(Uniform(backend, random, [Rank, Inputs], 0.5f));
        using var a = new Parameter([Rank, Inputs]);
        using var b = new Parameter([Outputs, Rank]);
        a.Set(Uniform(backend, random, a.Shape, 1 / MathF.Sqrt(Inputs)));
        b.Set(backend.Zeros(b.Shape)); // B = 0: training starts at the base layer
        (a.RequiresGrad, b.RequiresGrad) = (true, true);
        using var optimizer = new Sgd([("A", a), ("B", b)]);
        float[] losses = new float[steps];
        for (int step = 0; step < steps; step++)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            var x = Uniform(backend, random, [Rows, Inputs], 1);
            var dropout = new DropoutKey(0.1f, Seed: 1, Stream: (ulong)step);
            var error = Forward(x, weight, null, false, new LowRankUpdate(a.Value, b.Value, Scale, null, dropout)) - x.Linear(goal);
            var loss = (error * error).Sum() * (1f / error.Count);
            losses[step] = loss.ToArray<float>()[0];
            tape.Backward(loss);
            optimizer.Step(learningRate: 0.5);
            optimizer.FreeGradients();
        }
        return losses;
    }

    private static Tensor Uniform(CpuBackend backend, Random random, Shape shape, float bound)
    {
        float[] values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = bound * (2 * random.NextSingle() - 1);
        }
        return backend.From(values, shape);
    }
}
