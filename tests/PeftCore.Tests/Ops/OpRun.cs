using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>The result of one forward and backward pass through an op.</summary>
/// <param name="Output">The output.</param>
/// <param name="Gradients">The gradient of each input; null if there is none.</param>
/// <param name="Saved">Names of the tensors that its nodes saved.</param>
internal sealed record OpResult(float[] Output, float[]?[] Gradients, string[] Saved);

/// <summary>Options of running an op.</summary>
/// <param name="Mask">The inputs that require gradients, as bits.</param>
/// <param name="Computed">Whether inputs are outputs of other ops instead of leaves, so that ops may reuse their memory.</param>
/// <param name="Twice">Whether the result is op(inputs) + 2·op(inputs), so that every gradient accumulates.</param>
/// <param name="Roles">Input i is the tensor of input Roles[i]; null for i itself.</param>
internal sealed record OpRun(int Mask, bool Computed = false, bool Twice = false, int[]? Roles = null)
{
    public OpResult On(Backend backend, OpSample sample, float[] upstream)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var leaves = sample.Inputs.Select((input, i) => Leaf(backend, input, (Mask >> i & 1) != 0)).ToArray();
        Tensor output;
        int ownNodes;
        using (var call = new TensorScope()) // As a module does: what is not returned or saved is freed before backward.
        {
            var given = leaves.Select((leaf, i) => Computed && leaf.RequiresGrad && !sample.Inputs[i].IsCaptured ? leaf * 1f : leaf)
                .ToArray();
            ownNodes = tape.Nodes.Count;
            given = [.. given.Select((tensor, i) => Roles is null ? tensor : given[Roles[i]])];
            output = sample.Apply(given);
            if (Twice)
            {
                output += sample.Apply(given) * 2f;
            }
            call.Return(output);
        }
        string[] saved = [.. tape.Nodes.Skip(ownNodes).SelectMany(node => node.SavedTensors).Select(s => s.Name)];
        float[] values = output.ToArray<float>();
        tape.Backward(output, backend.From(upstream, output.Shape));
        float[]?[] gradients = leaves.Select(leaf => leaf.Gradient?.ToArray<float>()).ToArray();
        Array.ForEach(leaves, leaf => leaf.UntrackGradient());
        Assert.That(tape.Nodes, Is.Empty);
        return new OpResult(values, gradients, saved);
    }

    /// <summary>The output alone, without gradients.</summary>
    public static float[] Forward(Backend backend, OpSample sample)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var output = sample.Apply([.. sample.Inputs.Select(input => Leaf(backend, input, tracked: false))]);
        Assert.That(tape.Nodes, Is.Empty, "an op was recorded although no input needs a gradient");
        return output.ToArray<float>();
    }

    private static Tensor Leaf(Backend backend, OpInput input, bool tracked)
    {
        var values = backend.From(input.Values, input.Shape);
        if (input.DType != DType.F32)
        {
            var narrow = backend.NewTensor(input.Shape, input.DType);
            backend.Cast(values, narrow);
            return narrow;
        }
        return tracked ? values.TrackGradient() : values;
    }
}
