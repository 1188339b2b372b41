using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Lessons;

/// <summary>Exercises 3 and 6: forwards from plain operations.</summary>
public static class LoraCheck
{
    private const int Rows = 3, Inputs = 5, Outputs = 4, Rank = 2;

    /// <summary>Exercise 3: y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="lora">y from x, W, b, A, B and s.</param>
    public static int Run(string[] args, Func<Tensor, Tensor, Tensor, Tensor, Tensor, float, Tensor> lora) => Check.Run(args, "03-lora",
        "y is x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ", () =>
        {
            using var backend = new CpuBackend(1);
            using var scope = new TensorScope();
            Tensor x = New(backend, 1, Rows, Inputs), w = New(backend, 2, Outputs, Inputs), bias = New(backend, 3, Outputs);
            Tensor a = New(backend, 4, Rank, Inputs), b = New(backend, 5, Outputs, Rank);
            float[] plain = x.Linear(w, bias).ToFloats(), update = x.Linear(a).Linear(b).ToFloats();
            float[] y = lora(x, w, bias, a, b, 3).ToFloats();
            Check.That(!Same(y, plain, update, 1), "s is missing: the update is x·Aᵀ·Bᵀ, not s times that");
            Check.That(!Same(y, x.Linear(w).ToFloats(), update, 3), "the bias of the layer is missing");
            Check.Equal("y", y, [.. plain.Zip(update, (p, u) => p + 3 * u)]);
        });

    /// <summary>Exercise 6: VeRA, y = x·Wᵀ + b∘((d∘(x·Aᵀ))·Bᵀ).</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="vera">y from x, W, A, B, d and b.</param>
    public static int RunVera(string[] args, Func<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> vera) =>
        Check.Run(args, "06-five-lines",
        "y is x·Wᵀ + b∘((d∘(x·Aᵀ))·Bᵀ)", () =>
        {
            using var backend = new CpuBackend(1);
            using var scope = new TensorScope();
            Tensor x = New(backend, 1, Rows, Inputs), w = New(backend, 2, Outputs, Inputs), d = New(backend, 3, Rank),
                scale = New(backend, 6, Outputs);
            Tensor a = New(backend, 4, Rank, Inputs), b = New(backend, 5, Outputs, Rank);
            float[] y = vera(x, w, a, b, d, scale).ToFloats();
            var update = x.Linear(a).MultiplyRow(d).Linear(b);
            float[] whole = (x.Linear(w) + update).MultiplyRow(scale).ToFloats();
            Check.That(Distance(y, whole) > 1e-5, "b multiplies the update alone, not x·Wᵀ");
            Check.Equal("y", y, (x.Linear(w) + update.MultiplyRow(scale)).ToFloats());
        });

    private static bool Same(float[] y, float[] plain, float[] update, float s) =>
        Distance(y, [.. plain.Zip(update, (p, u) => p + s * u)]) < 1e-5;

    private static double Distance(float[] a, float[] b) => a.Length == b.Length ? a.Zip(b, (x, y) => Math.Abs(x - y)).Max()
        : double.PositiveInfinity;

    internal static Tensor New(Backend backend, int seed, params int[] shape) =>
        backend.From(Check.Random(Shape.Of(shape).Count, seed), Shape.Of(shape));
}
