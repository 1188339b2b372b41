using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Docs.Snippets;

internal static class CalibratedAdapters
{
    public static IReadOnlyList<(string Path, double Error)> Run(PeftModel model, ModelInputs batch, string outputDirectory,
        string smallDirectory)
    {
        var config = new LoraConfig { Rank = 8, Init = LoraInit.Eva, TargetModules = ModuleSelector.Of("q_proj", "v_proj") };
        model.AddCalibratedAdapter(config, () => model.Base.Logits(batch), "eva");
        model.Save(outputDirectory);
        var lost = model.SaveAsLora(smallDirectory, rank: 4, "eva");
        return lost;
    }
}
