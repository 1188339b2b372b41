using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Selective;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Vision;

/// <summary>Vision transformers: what they read, and what they refuse.</summary>
public sealed class VisionTests : CpuTests
{
    [TestCase("vit")]
    [TestCase("clip")]
    [TestCase("layoutlmv3")]
    public void Pictures_of_another_size_are_refused(string type)
    {
        var model = TinyPictures.Model(Cpu, type);
        var arrays = TinyPictures.Batch(type, [3, 9, 4, 9], rows: 2) with { Pixels = TinyPictures.Pixels(2, 12, 8) };
        Assert.That(() => model.ToInputs(arrays), Throws.TypeOf<BadInputException>().With.Message.EqualTo(
            $"the pictures have 12 × 8 pixels, but this {type} model reads 8 × 8; resize them"));
    }

    [Test]
    public void Pictures_with_other_channels_are_refused()
    {
        var model = TinyPictures.Model(Cpu, "vit");
        Assert.That(() => model.ToInputs(new InputArrays { BatchSize = 1, Pixels = TinyPictures.Pixels(1, 8, 8, channels: 4) }),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo(
                "the pictures have 4 channels, but this vit model reads 3; convert them to RGB"));
    }

    [Test]
    public void A_batch_without_pictures_is_refused()
    {
        var model = TinyPictures.Model(Cpu, "dinov2");
        Assert.That(() => model.ToInputs(new InputArrays { BatchSize = 1, Ids = [3] }),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo("dinov2 models read pictures, but the batch has none (pixel_values)"));
    }

    [Test]
    public void Pixels_that_do_not_fill_their_shape_are_refused() =>
        Assert.That(() => new InputArrays { BatchSize = 2 }.With("pixel_values", new float[10], 2, 3, 2, 2),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo(
                "pixel_values: 10 values do not fill the shape (2, 3, 2, 2) of 2 rows"));

    [Test]
    public void An_unknown_input_is_refused_by_name() =>
        Assert.That(() => new InputArrays { BatchSize = 1 }.With("pixels", new float[1], 1),
            Throws.TypeOf<BadInputException>().With.Message.Contains("there is no input \"pixels\"; expected pixel_values"));

    [TestCase("vit", true)]
    [TestCase("dinov2", false)]
    public void Positions_are_interpolated_for_pictures_of_another_size_and_train(string type, bool asked)
    {
        var model = TinyPictures.Model(Cpu, type, new TaskOptions { InterpolatePositions = asked });
        model.SetRequiresGrad(true);
        var inputs = model.ToInputs(new InputArrays { BatchSize = 2, Pixels = TinyPictures.Pixels(2, 16, 12) });
        Assert.That(model.Hidden(inputs).Shape, Is.EqualTo(Shape.Of(2, 1 + 4 * 3, 32)));
        using var tape = new Tape();
        tape.Backward(model.Loss(inputs, model.ToTargets([0, 2], 2)));
        float[] gradient = model.NamedParameters().Single(p => p.Path.EndsWith("position_embeddings", StringComparison.Ordinal))
            .Parameter.Gradient!.ToFloats();
        Assert.That(gradient.Chunk(32).Select(row => row.Any(g => g != 0)), Is.All.True);
    }

    [Test]
    public void The_weights_of_interpolation_are_those_of_pytorchs_bicubic()
    {
        float[] line = PatchPositions.Weights(new PictureGrid(1, 2), new PictureGrid(1, 4));
        // The weight of the second of two points in each of four.
        Assert.That(line.Chunk(2).Select(row => row[1]), Is.EqualTo(new[] { -0.10546875f, 0.2265625f, 0.7734375f, 1.10546875f }));
        float[] plane = PatchPositions.Weights(new PictureGrid(3, 2), new PictureGrid(5, 4));
        Assert.That(plane.Chunk(6).Select(row => row.Sum()), Is.All.EqualTo(1).Within(1e-6));
        Assert.That(PatchPositions.Weights(new PictureGrid(2, 2), new PictureGrid(2, 2)), Is.EqualTo(
            new float[] { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 }));
    }

    [Test]
    public void Methods_that_need_tokens_refuse_a_model_without()
    {
        var peft = new PeftModel(TinyPictures.Model(Cpu, "vit"));
        Assert.That(peft.Base.VocabularySize, Is.Zero);
        foreach (var config in (PeftConfig[])[new PromptTuningConfig { NumVirtualTokens = 2 },
            new PrefixTuningConfig { NumVirtualTokens = 2 }])
        {
            Assert.That(() => peft.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(
                "puts virtual tokens before those of a text, which vit models do not read; choose a method that changes layers"));
        }
        Assert.That(() => peft.AddAdapter(new TrainableTokensConfig { TokenIndices = [3] }), RefusesTokens());
        Assert.That(() => peft.ResizeTokenEmbeddings(9), RefusesTokens());
        Assert.That(() => new Generator(peft.Base, Cpu), Throws.TypeOf<BadInputException>().With.Message.Contains("image-cls"));
        peft.Base.Dispose();

        static NUnit.Framework.Constraints.Constraint RefusesTokens() =>
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("vit models read no tokens");
    }

    [Test]
    public void DINOv2s_largest_model_has_gated_networks()
    {
        var model = TinyPictures.Model(Cpu, "dinov2", further: "\"use_swiglu_ffn\": true, \"use_mask_token\": false");
        var shapes = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Shape);
        // ⌈2/3 · 64⌉ rounded up to a multiple of 8, twice.
        Assert.That(shapes["dinov2.encoder.layer.0.mlp.weights_in.weight"], Is.EqualTo(Shape.Of(96, 32)));
        Assert.That(shapes["dinov2.encoder.layer.0.mlp.weights_out.weight"], Is.EqualTo(Shape.Of(32, 48)));
        Assert.That(shapes.Keys, Has.None.Contains("mask_token"));
        var inputs = model.ToInputs(TinyPictures.Batch("dinov2", [], rows: 2));
        Assert.That(model.Logits(inputs).ToFloats().All(float.IsFinite));
    }

    [TestCase("dinov2", "\"drop_path_rate\": 0.1", "field \"drop_path_rate\" is 0.1, which leaves whole sublayers out")]
    [TestCase("vit", "\"patch_size\": 9", "field \"patch_size\" is 9, larger than a picture of 8 × 8 pixels")]
    [TestCase("vit", "\"patch_size\": [4, 2]", "field \"patch_size\" is 4 × 2, but only square patches are supported")]
    [TestCase("vit", "\"image_size\": [8]", "field \"image_size\" is a list, expected a height and a width in pixels")]
    [TestCase("vit", "\"num_attention_heads\": 5", "field \"num_attention_heads\" is 5, which does not divide hidden_size = 32")]
    [TestCase("clip", "\"text_config_dict\": {\"hidden_size\": 64}", "has another \"hidden_size\" than text_config")]
    [TestCase("layoutlmv3", "\"coordinate_size\": 6", "4 · 6 + 2 · 6 = 36 numbers, but hidden_size is 32")]
    [TestCase("layoutlmv3", "\"has_relative_attention_bias\": false", "transformers ignores the biases of boxes then")]
    public void Fields_that_contradict_each_other_are_refused(string type, string field, string sentence) =>
        Assert.That(() => ModelLoader.Declare(TinyPictures.Config(type, field)),
            Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    [Test]
    public void A_picture_need_not_be_square()
    {
        var model = TinyPictures.Model(Cpu, "vit", further: "\"image_size\": [8, 12]");
        var inputs = model.ToInputs(new InputArrays { BatchSize = 1, Pixels = TinyPictures.Pixels(1, 8, 12) });
        Assert.That(model.Hidden(inputs).Shape, Is.EqualTo(Shape.Of(1, 1 + 2 * 3, 32)));
    }

    [Test]
    public void CLIP_takes_a_text_by_the_token_that_ends_it()
    {
        var clip = TinyPictures.Model(Cpu, "clip");
        int[] ids = [5, 9, 60, 3, 7, 9];
        var shorter = clip.ToInputs(TinyPictures.Batch("clip", [5, 9, 3, 3, 7, 9], rows: 2));
        var inputs = clip.ToInputs(TinyPictures.Batch("clip", ids, rows: 2));
        float[] embeds = clip.Outputs(inputs)[1].Value.ToFloats(), others = clip.Outputs(shorter)[1].Value.ToFloats();
        Assert.That(embeds, Is.EqualTo(others), "what follows the end does not count");

        // With the wrong end token of the first configurations, the largest number ends a text.
        var old = ClipTextSpec.Read(TinyPictures.Config("clip",
            "\"vocab_size\": 97, \"hidden_size\": 32, \"num_attention_heads\": 4, \"eos_token_id\": 2"));
        Assert.That(old.EndsOf(ids, 2), Is.EqualTo(new[] { 2, 2 }));
    }

    [Test]
    public void CLIPs_encoder_of_texts_can_be_alone()
    {
        var config = TinyPictures.Config("clip").Object("text_config");
        var model = ModelLoader.Declare(PeftCore.Io.ConfigReader.Parse("{\"model_type\": \"clip_text_model\", \"hidden_size\": 32, " +
            "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"intermediate_size\": 64, \"vocab_size\": 97, " +
            "\"max_position_embeddings\": 40, \"eos_token_id\": 9}", "config.json"));
        Assert.That(model.LayerCount, Is.EqualTo(config.Int("num_hidden_layers")));
        ModelLoader.Initialize(model, Cpu, DType.F32, seed: 2);
        var outputs = model.Outputs(model.ToInputs(new InputArrays { Ids = [5, 9, 60, 3, 7, 9], BatchSize = 2 }));
        float[] hidden = outputs[0].Value.ToFloats(), pooled = outputs[1].Value.ToFloats();
        Assert.That(outputs[0].Value.Shape, Is.EqualTo(Shape.Of(2, 3, 32)));
        Assert.That(pooled, Is.EqualTo(hidden[32..64].Concat(hidden[(5 * 32)..(6 * 32)])), "the token that ends each text");
    }
}
