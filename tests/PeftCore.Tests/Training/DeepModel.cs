using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tests.Models;

namespace PeftCore.Tests.Training;

/// <summary>A fixture's model with more blocks: those after the first two repeat the second one's weights.</summary>
internal sealed class DeepModel : IDisposable
{
    /// <summary>Blocks of each stack.</summary>
    public const int Depth = 5;

    private static readonly Dictionary<string, (string[] Fields, string[] Stacks)> Families = new()
    {
        ["llama"] = (["num_hidden_layers"], ["model.layers."]),
        ["gpt2"] = (["n_layer"], ["transformer.h."]),
        ["bert"] = (["num_hidden_layers"], ["bert.encoder.layer."]),
        ["t5"] = (["num_layers", "num_decoder_layers"], ["encoder.block.", "decoder.block."]),
    };

    private readonly EditedModel _edited;

    public DeepModel(string family)
    {
        _edited = new EditedModel(family);
        var (fields, stacks) = Families[family];
        foreach (string field in fields)
        {
            _edited.Config[field] = Depth;
        }
        foreach (var (name, tensor) in _edited.Tensors.ToList())
        {
            foreach (string stack in stacks.Where(stack => name.StartsWith(stack + "1.", StringComparison.Ordinal)))
            {
                for (int i = 2; i < Depth; i++)
                {
                    string copy = $"{stack}{i}{name[(stack.Length + 1)..]}";
                    _edited.Put(copy, tensor.DType, tensor.Shape, _edited.BytesOf(name));
                }
            }
        }
        _edited.Write();
    }

    public string FullPath => _edited.FullPath;

    public TransformerModel Load(Backend backend) => ModelLoader.Load(FullPath, backend);

    public void Dispose() => _edited.Dispose();
}
