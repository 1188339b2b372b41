using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Vera;

/// <summary>The random A and B that all layers share; each layer takes as many columns and rows as it has inputs and outputs.</summary>
internal sealed class VeraProjections
{
    private readonly Tensor _a;
    private readonly Tensor _b;

    public VeraProjections(AttachContext context, VeraConfig config, IReadOnlyList<(string Path, Linear Layer)> targets)
    {
        int inputs = targets.Max(target => target.Layer.Inputs), outputs = targets.Max(target => target.Layer.Outputs), r = config.Rank;
        context.RefuseMoreThanStored(r); // Each layer stores a scale for each of r columns.
        if (context.Backend.IsMeta)
        {
            (_a, _b) = (context.NewConstant([r, inputs]), context.NewConstant([outputs, r]));
        }
        else
        {
            var random = new TorchRandom((ulong)config.ProjectionKey);
            _a = context.NewConstant(Kaiming(random, r, inputs), [r, inputs]);
            _b = context.NewConstant(Kaiming(random, outputs, r), [outputs, r]);
        }
        if (ConfigFields.ProjectionsAreSaved(context, config.SaveProjection, "vera_A"))
        {
            context.Adapter.Constants.Add((AdapterParameter.ModelPrefix + "vera_A", _a, Optional: false));
            context.Adapter.Constants.Add((AdapterParameter.ModelPrefix + "vera_B", _b, Optional: false));
        }
    }

    /// <summary>(r, in)</summary>
    public Tensor A(int inputs) => inputs == _a.Shape[1] ? _a : _a.Columns(0, inputs);

    /// <summary>(out, r)</summary>
    public Tensor B(int outputs) => _b.Slice(0, outputs);

    /// <summary>Uniform in ±√(6/fan_in).</summary>
    private static float[] Kaiming(TorchRandom random, int rows, int columns)
    {
        double bound = Math.Sqrt(3) * (Math.Sqrt(2) / Math.Sqrt(columns));
        return random.Uniform(rows * columns, (float)-bound, (float)bound);
    }
}
