using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Docs.Snippets;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Peft;

/// <summary>The fused low-rank op, and a LoRA layer that runs through it, against the same equation from plain ops.</summary>
public sealed class LoraByHandTests
{
    /// <summary>The tolerance of the op catalog, relative to the largest element.</summary>
    private const double Tolerance = 2e-5;

    [Test]
    public void The_fused_op_has_the_outputs_and_gradients_of_plain_ops([Values] bool transposed,
        [Values(DType.F32, DType.BF16)] DType dtype, [Values] bool withVectors, [Values(0, 0.4f)] float dropout, [Values] bool large)
    {
        var (rows, inputs, outputs, rank) = large ? (35, 41, 67, 9) : (3, 5, 7, 2);
        using var backend = new CpuBackend(2, poison: true);
        using var scope = new TensorScope();
        var weight = Cast(From(backend, 1, transposed ? [inputs, outputs] : [outputs, inputs]), dtype);
        var bias = withVectors ? From(backend, 2, [outputs]) : null;
        var x = From(backend, 3, [rows, inputs]);
        var update = new LowRankUpdate(From(backend, 4, [rank, inputs]), From(backend, 5, [outputs, rank]), 1.7f,
            withVectors ? From(backend, 6, [outputs]) : null, new DropoutKey(dropout, 5, 2), withVectors ? From(backend, 7, [rank]) : null);
        Tensor?[] leaves = [x, update.A, update.B, update.Bias, update.Diagonal, bias];

        AssertSame(leaves, outputs, () => x.LoraLinear(weight, bias, transposed, update),
            () => LoraByHand.Forward(x, weight, bias, transposed, update));
    }

    [Test]
    public void A_lora_layer_has_the_outputs_and_gradients_of_plain_ops([ValueSource(typeof(Family), nameof(Family.All))] Family family,
        [Values(DType.F32, DType.BF16)] DType dtype, [Values(0, 0.3f)] float dropout)
    {
        using var bench = new Bench(family, dtype);
        var (linear, lora) = Attach(bench, dropout);
        using var scope = new TensorScope();
        var x = From(bench.Backend, 3, [7, linear.Inputs]);
        linear.Mode.Training = true;
        (linear.Mode.Seed, linear.Mode.Step) = (11, 4);
        var key = new LayerDropout(linear, dropout, 0).Now;
        var update = new LowRankUpdate(lora.A.Value, lora.B.Value, lora.Scale, lora.BiasOfB!.Value, key);

        AssertSame([x, lora.A.Value, lora.B.Value, lora.BiasOfB.Value], linear.Outputs, () => linear.Forward(x),
            () => LoraByHand.Forward(x, linear.Weight.Value, linear.Bias?.Value, linear.Transposed, update));
        linear.Mode.Training = false;
    }

    [TestCaseSource(typeof(Family), nameof(Family.All))]
    public void A_merged_lora_layer_has_the_weight_of_plain_ops(Family family)
    {
        using var bench = new Bench(family);
        var (linear, lora) = Attach(bench, dropout: 0);
        using var scope = new TensorScope();
        var expected = LoraByHand.Merged(linear.Weight.Value, linear.Transposed, new LowRankUpdate(lora.A.Value, lora.B.Value, lora.Scale));
        var merged = linear.Weight.Value * 1;

        lora.Merge(merged, From(bench.Backend, 1, [linear.Outputs]), null);

        AssertNear(merged, expected, "merged weight");
    }

    [Test]
    public void The_lora_from_plain_ops_learns()
    {
        float[] losses = LoraByHand.Train(120);
        Assert.That(losses[^10..].Average(), Is.LessThan(losses[0] / 3));
    }

    private static (Linear Layer, LoraLayer Lora) Attach(Bench bench, float dropout)
    {
        bench.Model.AddAdapter(new LoraConfig
        {
            Rank = 3, Alpha = 5, UseRsLora = true, Init = LoraInit.Random, Dropout = dropout, LoraBias = true,
            TargetModules = ModuleSelector.Of(bench.Family.Attention),
        });
        bench.Perturb();
        var (path, layer) = bench.Model.Get("default").Layers[0];
        return ((Linear)bench.Base.Find(path)!, (LoraLayer)layer);
    }

    /// <summary>Runs both forward and backward with one upstream gradient and compares outputs and the gradients of all leaves.</summary>
    private static void AssertSame(Tensor?[] leaves, int outputs, Func<Tensor> fused, Func<Tensor> plain)
    {
        var tracked = leaves.OfType<Tensor>().Where(leaf => !leaf.RequiresGrad).ToList();
        tracked.ForEach(leaf => leaf.TrackGradient());
        var (y, gradients) = Run(leaves, outputs, fused);
        var (expected, expectedGradients) = Run(leaves, outputs, plain);
        AssertNear(y, expected, "y");
        string[] names = ["x", "A", "B", "bias of B", "diagonal", "bias"];
        for (int i = 0; i < leaves.Length; i++)
        {
            if (leaves[i] is not null)
            {
                AssertNear(gradients[i]!, expectedGradients[i]!, $"gradient of {names[i]}");
            }
        }
    }

    private static (float[] Output, float[]?[] Gradients) Run(Tensor?[] leaves, int outputs, Func<Tensor> forward)
    {
        using var tape = new Tape();
        var y = forward();
        tape.Backward(y, From(leaves[0]!.Backend, 9, [leaves[0]!.Shape.Rows, outputs]));
        float[]?[] gradients = Array.ConvertAll(leaves, leaf => leaf?.Gradient!.ToArray<float>());
        foreach (var leaf in leaves)
        {
            leaf?.FreeGradient();
        }
        return (y.ToArray<float>(), gradients);
    }

    private static void AssertNear(Tensor ours, Tensor reference, string what) =>
        AssertNear(ours.ToArray<float>(), reference.ToArray<float>(), what);

    private static void AssertNear(float[] ours, float[] reference, string what)
    {
        double largest = reference.Max(x => Math.Abs((double)x)), error = ours.Zip(reference, (a, b) => Math.Abs((double)a - b)).Max();
        Assert.That(largest, Is.GreaterThan(0), what);
        Assert.That(error / largest, Is.LessThan(Tolerance), what);
    }

    private static Tensor From(Backend backend, int seed, Shape shape) => backend.From(Numbers.Random(seed, (int)shape.Count), shape);

    private static Tensor Cast(Tensor tensor, DType dtype) => dtype == DType.F32 ? tensor : tensor.Cast(dtype);
}
