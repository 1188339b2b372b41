using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>LayoutLM (Xu et al. 2020): BERT that also reads where on a page each token is. The embeddings of its box are added to that of
/// the word.</summary>
internal static class LayoutLm
{
    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config)
    {
        var spec = EncoderFields.Read(config, "layoutlm", Bert.Head);
        return spec with { Boxes = new BoxSpec(BoxSpec.RowsIn(config), spec.HiddenSize, spec.HiddenSize, SideBySide: false) };
    }
}
