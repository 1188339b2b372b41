using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Peft;

/// <summary>Prompts that start from text, on the bundled model and its tokenizer.</summary>
public sealed class PromptTextTests
{
    [TestCase(2)]
    [TestCase(40)]
    public void A_prompt_starts_from_the_embeddings_of_a_text_cut_or_repeated(int count)
    {
        string directory = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo", "base-llama");
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(directory, backend));
        model.AddAdapter(new PromptTuningConfig
        {
            NumVirtualTokens = count, Init = PromptInit.Text, InitText = "Continue in verse:",
            Tokenizer = directory
        });
        int[] ids = [.. Tokenizer.FromDirectory(directory).Encode("Continue in verse:").Ids];
        float[] table = ToFloat32(model.Base.TokenEmbedding.Weight.Value), prompt = model.Parameters[0].Parameter.Value.ToArray<float>();
        int columns = model.Base.HiddenSize;
        for (int i = 0; i < count; i++)
        {
            Assert.That(prompt[(i * columns)..((i + 1) * columns)],
                Is.EqualTo(table[(ids[i % ids.Length] * columns)..((ids[i % ids.Length] + 1) * columns)]));
        }
        model.Base.Dispose();
    }

    private static float[] ToFloat32(Tensor value)
    {
        var wide = value.NewLike(value.Shape);
        wide.Backend.Cast(value, wide);
        return wide.ToArray<float>();
    }
}
