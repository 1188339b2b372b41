using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Quantises linear layers one at a time while a model is loaded. The numbers of a layer lie in a workspace that the next layer
/// uses again, so that the memory beside the model is that of its largest layer.</summary>
internal sealed class WeightQuantizer : IDisposable
{
    private readonly Backend _backend;
    private readonly QuantizationOptions? _options;
    private readonly Dictionary<Parameter, Linear> _layers;
    private readonly long _largest;
    private Tensor? _workspace;

    /// <param name="model">The model.</param>
    /// <param name="backend">The device of the weights.</param>
    /// <param name="options">How layers are quantised; null for none.</param>
    /// <exception cref="BadInputException">A module to skip is no linear layer.</exception>
    public WeightQuantizer(TransformerModel model, Backend backend, QuantizationOptions? options)
    {
        (_backend, _options) = (backend, options);
        _layers = options is null ? [] : QuantizedLayers.Chosen(model, options.SkipModules);
        _largest = _layers.Keys.Select(weight => weight.Shape.Count).DefaultIfEmpty().Max();
        if (QuantizedLayers.Unknown(model, options?.SkipModules) is { } name)
        {
            throw new BadInputException($"\"{name}\" is to be skipped by quantisation, but no linear layer of this {model.ModelType} model "
                + "has that name or path.");
        }
    }

    /// <summary>Whether a parameter is quantised.</summary>
    public bool Takes(Parameter parameter) => _layers.ContainsKey(parameter);

    /// <summary>Quantises the weight of a layer.</summary>
    /// <param name="parameter">The weight.</param>
    /// <param name="name">Its name, for an error.</param>
    /// <param name="dtype">Dtype of the numbers before.</param>
    /// <param name="read">Fills a tensor of the weight's shape with them.</param>
    public void Quantize(Parameter parameter, string name, DType dtype, Action<Tensor> read)
    {
        if (_workspace?.DType != dtype)
        {
            _workspace?.Dispose();
            _workspace = _backend.NewTensor(Flat(_largest), dtype, MemoryKind.Workspace).Keep();
        }
        using var numbers = _workspace.Unscoped(parameter.Shape);
        read(numbers);
        _layers[parameter].Quantize(numbers, _options!.FormatOf(dtype), name);
    }

    public void Dispose() => _workspace?.Dispose();

    // A shape's axes are 32-bit.
    private static Shape Flat(long count)
    {
        int rows = (int)((count + int.MaxValue - 1) / int.MaxValue);
        return rows <= 1 ? [(int)count] : [rows, (int)((count + rows - 1) / rows)];
    }
}
