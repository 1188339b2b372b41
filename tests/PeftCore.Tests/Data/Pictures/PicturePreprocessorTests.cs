using PeftCore.Data;
using PeftCore.Io;

namespace PeftCore.Tests.Data;

public sealed class PicturePreprocessorTests
{
    // A tower of CLIP reads 32 pixels here; DINOv2's own sizes are 256 and 224, which are 36 and 32 at this scale.
    private const string Vit224 = """{"image_processor_type": "ViTImageProcessor"}""",
        Vit32 = """{"image_processor_type": "ViTImageProcessor", "size": 32}""",
        Clip32 = """{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}""",
        Dinov232 = """
            {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32},
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
            """;

    [TestCase("vit_224", Vit224, 4)]
    [TestCase("vit_32", Vit32, 1)]
    [TestCase("clip_32", Clip32, 1)]
    [TestCase("dinov2_32", Dinov232, 1)]
    public void Pixels_are_those_of_transformers_within_one_grey_level(string name, string json, int step)
    {
        using var file = WeightSource.OpenFile(TestFiles.Fixture("preprocessing", "expected.safetensors"));
        var image = file.Get("in.image");
        float[] expected = Fixtures.Floats(file, name);
        var preprocessor = PicturePreprocessor.Of(Config(json), "vit");

        var sized = preprocessor.Sized(Picture.FromRgb("image", image.Bytes, (int)image.Shape[0], (int)image.Shape[1]));
        float[] pixels = new float[3 * sized.Height * sized.Width];
        preprocessor.Write(sized, pixels);

        int side = (int)Math.Sqrt(expected.Length / 3), different = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            int c = i / (side * side), y = i / side % side * step, x = i % side * step;
            float ours = pixels[(c * sized.Height + y) * sized.Width + x], level = Level(preprocessor, c);
            Assert.That(ours, Is.EqualTo(expected[i]).Within(level * 1.001f), $"{name} at {c}, {y}, {x}");
            different += Math.Abs(ours - expected[i]) > 1e-4 ? 1 : 0;
        }
        Assert.That(different, Is.LessThan(expected.Length / 100), "pixels that are rounded to the other side");
    }

    /// <summary>What one grey level is after normalization.</summary>
    private static float Level(PicturePreprocessor preprocessor, int color)
    {
        float[] two = new float[6];
        preprocessor.Write(Picture.FromRgb("levels", [0, 0, 0, 1, 1, 1], 1, 2), two);
        return two[2 * color + 1] - two[2 * color];
    }

    [Test]
    public void A_picture_of_the_right_size_keeps_its_pixels()
    {
        byte[] pixels = [.. Enumerable.Range(0, 4 * 4 * 3).Select(i => (byte)(5 * i))];
        var kept = PicturePreprocessor.Of(Config("""{"size": {"height": 4, "width": 4}, "do_normalize": false}"""), "vit")
            .Sized(Picture.FromRgb("a.png", pixels, 4, 4));
        Assert.That(kept.Pixels, Is.EqualTo(pixels));
    }

    [Test]
    public void A_plain_picture_stays_plain_whatever_its_size()
    {
        foreach (var filter in Enum.GetValues<ResizeFilter>())
        {
            foreach (var (height, width) in ((int, int)[])[(1, 1), (3, 17), (40, 9)])
            {
                var picture = PictureResize.Resize(Plain(7, 5, 201), height, width, filter);
                Assert.That(picture.Pixels, Has.Length.EqualTo(3 * height * width).And.All.EqualTo(201), $"{filter} {height} × {width}");
            }
        }
    }

    [TestCase(4, 2, "0000 0990 0990 0000")]
    [TestCase(3, 2, "990 990 000")] // torchvision puts the smaller half of an odd border first; so did transformers' reference.
    [TestCase(2, 3, "99 99")]
    public void A_picture_smaller_than_the_crop_gets_a_black_border(int crop, int side, string rows)
    {
        var cropped = PicturePreprocessor.Of(Config($$"""{"do_resize": false, "do_center_crop": true, "crop_size": {{crop}}}"""), "vit")
            .Sized(Plain(side, side, 9));
        Assert.That(string.Join(' ', cropped.Pixels.Chunk(3 * crop).Select(row => string.Concat(row.Where((_, i) => i % 3 == 0)))),
            Is.EqualTo(rows));
    }

    [TestCase("""{"image_processor_type": "SamImageProcessor"}""", "image_processor_type")]
    [TestCase("""{"resample": 0}""", "resample")]
    [TestCase("""{"resample": 1}""", "Lanczos")]
    [TestCase("""{"size": {"longest_edge": 32}}""", "longest_edge")]
    [TestCase("""{"size": {"height": 32}}""", "size")]
    [TestCase("""{"do_center_crop": true, "crop_size": {"shortest_edge": 32}}""", "crop_size")]
    [TestCase("""{"do_pad": true}""", "do_pad")]
    [TestCase("""{"do_flip_channel_order": true}""", "do_flip_channel_order")]
    [TestCase("""{"crop_pct": 0.9}""", "crop_pct")]
    [TestCase("""{"data_format": "channels_last"}""", "data_format")]
    [TestCase("""{"image_mean": [0.5]}""", "image_mean")]
    [TestCase("""{"image_std": [0.5, 0, 0.5]}""", "image_std")]
    public void A_field_that_changes_the_result_and_is_not_supported_is_named(string json, string field) =>
        Assert.That(() => PicturePreprocessor.Of(Config(json), "vit"), Throws.TypeOf<BadInputException>().With.Message.Contains(field));

    [Test]
    public void Augmentation_is_a_function_of_the_draw()
    {
        var augmentation = new PictureAugmentation(Flips: true, SmallestPart: 0.3);
        var picture = Picture.FromRgb("a.png", [.. Enumerable.Range(0, 24 * 20 * 3).Select(i => (byte)(i % 251))], 24, 20);
        var draws = Enumerable.Range(0, 60).Select(i => new SampleDraw(7, i / 20, i % 20)).ToList();

        foreach (var draw in draws)
        {
            var part = augmentation.Part(picture, draw);
            Assert.That(part.Pixels, Is.EqualTo(augmentation.Part(picture, draw).Pixels));
            Assert.That(part.Height * part.Width, Is.GreaterThan(0.25 * 24 * 20));
        }
        Assert.That(draws.Select(draw => augmentation.Part(picture, draw).Pixels.Length).Distinct().Count(), Is.GreaterThan(20));
        Assert.That(draws.Count(augmentation.FlipsIn), Is.InRange(18, 42));
        Assert.That(picture.Flip().Flip().Pixels, Is.EqualTo(picture.Pixels));
    }

    [Test]
    public void Pixels_that_do_not_fill_the_sides_are_refused() =>
        Assert.That(() => Picture.FromRgb("a.png", new byte[10], 2, 2),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("a.png: "));

    private static Picture Plain(int height, int width, byte level) =>
        Picture.FromRgb("plain", [.. Enumerable.Repeat(level, height * width * 3)], height, width);

    private static ConfigReader Config(string json) => ConfigReader.Parse(json, "preprocessor_config.json");
}
