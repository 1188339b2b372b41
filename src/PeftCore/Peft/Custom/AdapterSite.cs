using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A layer to which an adapter is attached, and the factory of the adapter's parameters.</summary>
public sealed class AdapterSite
{
    private const int MostParameters = 256;

    private readonly AttachContext _context;
    private readonly ulong _number;
    private int _parameters;

    internal AdapterSite(AttachContext context, string path, Linear layer, ulong number) =>
        (_context, Path, Layer, _number) = (context, path, layer, number);

    /// <summary>The layer's path in the model, such as "model.layers.0.self_attn.q_proj".</summary>
    public string Path { get; }

    /// <summary>The layer.</summary>
    public Linear Layer { get; }

    internal Parameter NewParameter(Shape shape, float standardDeviation)
    {
        var parameter = _context.NewParameter(shape);
        // Each parameter of each layer has its own random stream.
        ulong stream = _number * MostParameters + (ulong)_parameters++;
        return standardDeviation == 0 ? parameter.Zero() : parameter.Normal(0, standardDeviation, _context.Seed, stream);
    }
}
