using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Files;

/// <summary>JPEG files: what is decoded as Pillow with libjpeg-turbo would, and what is refused.</summary>
public sealed class JpegFileTests
{
    private static readonly byte[] StartOfFrame = [0xFF, 0xC0];
    private static readonly byte[] StartOfScan = [0xFF, 0xDA];

    // APP1, its length, "Exif", a big-endian TIFF with one field: 0x0112, orientation, short, 1 value, 6 (to be turned right).
    private const string TurnedRight = "FFE1002245786966" + "0000" + "4D4D002A00000008" + "0001" + "0112000300000001" + "00060000" +
        "00000000";

    [TestCaseSource(nameof(Names))]
    public void Every_kind_of_jpeg_gets_the_colors_of_libjpeg_turbo(string name)
    {
        var (_, height, width, file, colors) = JpegSamples.All.Single(sample => sample.Name == name);
        var decoded = Decode(Convert.FromBase64String(file));
        Assert.That((decoded.Height, decoded.Width), Is.EqualTo((height, width)));
        Assert.That(decoded.Colors, Is.EqualTo(Convert.FromBase64String(colors)));
    }

    [Test]
    public void The_orientation_that_exif_data_name_is_not_applied()
    {
        var (_, height, width, file, colors) = JpegSamples.All[0];
        byte[] bytes = Convert.FromBase64String(file);
        var decoded = Decode([.. bytes[..2], .. Convert.FromHexString(TurnedRight), .. bytes[2..]]);
        Assert.That((decoded.Height, decoded.Width), Is.EqualTo((height, width)));
        Assert.That(decoded.Colors, Is.EqualTo(Convert.FromBase64String(colors)));
    }

    [TestCaseSource(nameof(Names))]
    public void A_jpeg_whose_picture_ends_early_is_refused_although_it_has_an_end_marker(string name)
    {
        byte[] bytes = Convert.FromBase64String(JpegSamples.All.Single(sample => sample.Name == name).File);
        int scan = bytes.AsSpan().IndexOf(StartOfScan);
        scan += 2 + bytes[scan + 3]; // The first byte of the picture.
        AssertRefused([.. bytes[..(scan + 3)], 0xFF, 0xD9], "damaged (premature end of data segment)");
    }

    [TestCaseSource(nameof(Names))]
    public void A_truncated_jpeg_is_refused_wherever_it_ends(string name)
    {
        byte[] bytes = Convert.FromBase64String(JpegSamples.All.Single(sample => sample.Name == name).File);
        for (int length = 3; length < bytes.Length - 1; length += 13)
        {
            AssertRefused(bytes[..length], "truncated");
        }
    }

    [TestCase(4, 12, "12")]
    [TestCase(1, 0xC3, "C3")]
    public void A_jpeg_of_another_precision_or_process_is_refused(int offset, int value, string named)
    {
        byte[] bytes = Convert.FromBase64String(JpegSamples.All[0].File);
        bytes[bytes.AsSpan().IndexOf(StartOfFrame) + offset] = (byte)value;
        AssertRefused(bytes, named);
    }

    [Test]
    public void A_jpeg_of_two_components_is_refused()
    {
        byte[] bytes = Convert.FromBase64String(JpegSamples.All[0].File);
        int frame = bytes.AsSpan().IndexOf(StartOfFrame), scan = bytes.AsSpan().IndexOf(StartOfScan);
        // Lengths and counts become smaller; the third component is left out.
        (bytes[frame + 3], bytes[frame + 9], bytes[scan + 3], bytes[scan + 4]) = (14, 2, 10, 2);
        AssertRefused([.. bytes[..(frame + 16)], .. bytes[(frame + 19)..(scan + 9)], .. bytes[(scan + 11)..]], "2 components");
    }

    private static IEnumerable<string> Names() => JpegSamples.All.Select(sample => sample.Name);

    private static (byte[] Colors, int Height, int Width) Decode(byte[] bytes)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.jpg");
        File.WriteAllBytes(path, bytes);
        return PictureFile.Decode(path);
    }

    private static void AssertRefused(byte[] bytes, string problem) =>
        Assert.That(() => Decode(bytes), Throws.TypeOf<BadInputException>().With.Message.Contains("a.jpg: the picture is ")
            .And.Message.Contains(problem));
}
