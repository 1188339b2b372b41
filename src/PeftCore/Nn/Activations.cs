using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Activation functions under the names that configurations have for them (transformers' ACT2FN).</summary>
internal static class Activations
{
    private static readonly Dictionary<string, (Func<Tensor, Tensor> Apply, Func<Tensor, Tensor, Tensor> Gate)> ByName =
        new(StringComparer.Ordinal)
        {
            ["silu"] = Of<Silu>(),
            ["swish"] = Of<Silu>(),
            ["gelu"] = Of<Gelu>(),
            ["gelu_python"] = Of<Gelu>(),
            ["gelu_new"] = Of<GeluTanh>(),
            ["gelu_pytorch_tanh"] = Of<GeluTanh>(),
            ["gelu_fast"] = Of<GeluTanh>(),
            ["quick_gelu"] = Of<QuickGelu>(),
            ["relu"] = Of<Relu>(),
            ["relu2"] = Of<ReluSquared>(),
            ["tanh"] = Of<Tanh>(),
            ["sigmoid"] = Of<Sigmoid>(),
        };

    /// <summary>The known names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. ByName.Keys];

    /// <summary>f(x), element by element.</summary>
    public static Func<Tensor, Tensor> Apply(string name) => ByName[name].Apply;

    /// <summary>f(gate)·up: see <see cref="GatedOp"/>.</summary>
    public static Func<Tensor, Tensor, Tensor> Gate(string name) => ByName[name].Gate;

    private static (Func<Tensor, Tensor>, Func<Tensor, Tensor, Tensor>) Of<TFormula>() where TFormula : struct, IUnaryFormula =>
        (x => x.Activate<TFormula>(), (gate, up) => gate.Gate<TFormula>(up));
}
