using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>A model all of whose parameters train, kept in one safetensors file.</summary>
internal sealed class FullModel : ITrainable
{
    private const string FileName = "parameters.safetensors";

    public FullModel(TransformerModel model)
    {
        Model = model;
        model.SetRequiresGrad(true);
        Parameters = [.. model.NamedParameters()];
    }

    public TransformerModel Model { get; }

    public IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; }

    public void Save(string directory)
    {
        Directory.CreateDirectory(directory);
        SafetensorsWriter.Write(Path.Combine(directory, FileName), Parameters.Select(p =>
            new SafetensorsTensor(p.Name, "F32", [p.Parameter.Shape.Count], p.Parameter.Value.ToBytes())));
    }

    public void Load(string directory)
    {
        using var source = WeightSource.OpenFile(Path.Combine(directory, FileName));
        foreach (var (name, parameter) in Parameters)
        {
            parameter.Value.Backend.Upload(source.Get(name).Bytes, parameter.Value);
        }
    }
}
