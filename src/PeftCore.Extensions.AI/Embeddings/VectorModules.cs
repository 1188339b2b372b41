using System.Runtime.InteropServices;
using PeftCore.Io;

namespace PeftCore.Extensions.AI.Embeddings;

/// <summary>A module of a Sentence Transformers directory after the pooling: one vector to another.</summary>
internal interface IVectorModule
{
    /// <summary>Elements of the result.</summary>
    int Outputs { get; }

    /// <summary>The result for a vector.</summary>
    float[] Apply(float[] x);
}

/// <summary>x / ‖x‖₂, as torch's normalize: a norm below 1e-12 counts as 1e-12.</summary>
internal sealed class NormalizeModule(int size) : IVectorModule
{
    public int Outputs => size;

    public float[] Apply(float[] x)
    {
        double norm = Math.Max(Math.Sqrt(x.Sum(value => (double)value * value)), 1e-12);
        return Array.ConvertAll(x, value => (float)(value / norm));
    }
}

/// <summary>f(W·x + b), and + x with a residual.</summary>
internal sealed class DenseModule : IVectorModule
{
    private const string Weights = "model.safetensors";

    private readonly float[] _weight; // (outputs, inputs)
    private readonly float[]? _bias;
    private readonly Func<double, double> _activation;
    private readonly bool _hasResidual;
    private readonly int _inputs;

    /// <summary>Reads a module's folder.</summary>
    /// <param name="folder">Has config.json and model.safetensors.</param>
    /// <param name="inputs">Elements of the vectors before it.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or a setting is not supported.</exception>
    public DenseModule(string folder, int inputs)
    {
        string path = Path.Combine(folder, "config.json");
        var config = ConfigReader.Open(path);
        SentenceFiles.RefuseUnknown(config, path,
            ["in_features", "out_features", "bias", "activation_function", "module_input_name", "module_output_name", "use_residual"]);
        SentenceFiles.RequireChoice(config, path, "module_input_name", "sentence_embedding");
        SentenceFiles.RequireChoice(config, path, "module_output_name", "sentence_embedding");
        _inputs = config.Int("in_features", min: 1);
        Outputs = config.Int("out_features", min: 1);
        if (_inputs != inputs)
        {
            throw new BadInputException($"{path}: in_features is {_inputs}, but the module before it gives {inputs} numbers");
        }
        _activation = ActivationOf(config, path);
        _hasResidual = config.Bool("use_residual", false);
        if (_hasResidual && inputs != Outputs)
        {
            throw new BadInputException($"{path}: use_residual with another number of outputs than inputs is not supported");
        }
        using var source = WeightSource.OpenFile(WeightFile(folder));
        _weight = Read(source, "linear.weight", Outputs, _inputs);
        _bias = config.Bool("bias", true) ? Read(source, "linear.bias", Outputs) : null;
    }

    public int Outputs { get; }

    public float[] Apply(float[] x)
    {
        float[] y = new float[Outputs];
        for (int row = 0; row < Outputs; row++)
        {
            double sum = _bias?[row] ?? 0;
            for (int column = 0; column < _inputs; column++)
            {
                sum += (double)_weight[row * _inputs + column] * x[column];
            }
            y[row] = (float)(_activation(sum) + (_hasResidual ? x[row] : 0));
        }
        return y;
    }

    private static string WeightFile(string folder)
    {
        string path = Path.Combine(folder, Weights);
        return File.Exists(path) ? path : throw new BadInputException($"{folder} has no {Weights}; save the model with safe_serialization");
    }

    private static Func<double, double> ActivationOf(ConfigReader config, string path)
    {
        string name = config.String("activation_function", "torch.nn.modules.activation.Tanh");
        return name.Split('.')[^1] switch
        {
            "Identity" => x => x,
            "Tanh" => Math.Tanh,
            "ReLU" => x => Math.Max(x, 0),
            _ => throw new BadInputException($"{path}: activation_function is \"{name}\", expected Identity, Tanh or ReLU of torch"),
        };
    }

    private static float[] Read(WeightSource source, string name, params ReadOnlySpan<int> shape)
    {
        var entry = source.Get(name);
        if (!entry.Shape.SequenceEqual(shape.ToArray().Select(extent => (long)extent)))
        {
            throw new BadInputException($"{name} has the shape ({string.Join(", ", entry.Shape)}), expected " +
                $"({string.Join(", ", shape.ToArray())}) as config.json says");
        }
        return entry.DType switch
        {
            "F32" => MemoryMarshal.Cast<byte, float>(entry.Bytes).ToArray(),
            "F16" => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(entry.Bytes).ToArray(), half => (float)half),
            "BF16" => Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(entry.Bytes).ToArray(),
                bits => BitConverter.UInt32BitsToSingle((uint)bits << 16)),
            _ => throw new BadInputException($"{name} is {entry.DType}, expected F32, F16 or BF16"),
        };
    }
}
