using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>A mask of another size than the tokens it is for.</summary>
public sealed class MaskSizeTests
{
    private const string Llama = """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
         "intermediate_size": 8, "vocab_size": 10, "max_position_embeddings": 16}
        """;

    private const string Bert = """
        {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 8, "num_attention_heads": 2,
         "num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 10, "max_position_embeddings": 16}
        """;

    private const string Bart = """
        {"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "d_model": 8, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8,
         "vocab_size": 10, "max_position_embeddings": 16, "decoder_start_token_id": 2, "pad_token_id": 1}
        """;

    [Test]
    public void A_mask_of_another_size_is_refused_by_its_name([Values(Llama, Bert, Bart)] string config, [Values(1, 5, 7)] int size)
    {
        using var backend = new CpuBackend(threads: 1);
        using var model = ModelLoader.Declare(ConfigReader.Parse(config, "config.json"));
        ModelLoader.Initialize(model, backend, DType.F32, seed: 1);

        var refusal = Assert.Throws<ShapeException>(() => model.ToInputs(new InputArrays
        {
            BatchSize = 2, Ids = [3, 4, 5, 6, 7, 8], Mask = new int[size], Labels = [3, 4, 5, 6, 7, 8]
        }));

        Assert.That(refusal!.Message, Does.Contain("mask").And.Contain($"{size}"));
    }
}
