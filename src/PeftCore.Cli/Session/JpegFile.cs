using BitMiracle.LibJpeg.Classic;

namespace PeftCore.Cli.Session;

/// <summary>Decodes JPEG files to the colors that Pillow with libjpeg-turbo gives: baseline and progressive, of 1, 3 or 4 components. An
/// orientation that EXIF data name is not applied, as Pillow's convert("RGB") does not.</summary>
/// <remarks>LibJpeg.NET reads the file and computes the inverse cosine transform in whole numbers (JDCT_ISLOW), which is libjpeg-turbo's.
/// It enlarges components and converts colors as later versions of libjpeg do, which gives other numbers; so both are done
/// here.</remarks>
internal static class JpegFile
{
    private const int BlockSide = 8;
    private const int Half = 1 << 15;

    /// <summary>Decodes a file to red, green and blue, row by row.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <exception cref="InvalidDataException">The file is damaged, or of a kind that is not read.</exception>
    public static (byte[] Colors, int Height, int Width) Decode(byte[] bytes)
    {
        using var stream = new MemoryStream(bytes, writable: false);
        var file = new jpeg_decompress_struct(new Problems());
        file.jpeg_stdio_src(stream);
        file.jpeg_read_header(require_image: true);
        if (file.Num_components is not (1 or 3 or 4))
        {
            throw new InvalidDataException($"it has {file.Num_components} components, expected 1 (grey), 3 (colors) or 4 (CMYK)");
        }
        file.Raw_data_out = true;
        file.Dct_method = J_DCT_METHOD.JDCT_ISLOW;
        // In version 8 this would enlarge components by a larger cosine transform.
        file.Do_fancy_upsampling = false;
        file.jpeg_start_decompress();
        var space = file.Jpeg_color_space;
        int width = file.Image_width, height = file.Image_height, components = file.Num_components;
        var parts = file.Comp_info;
        int across = parts.Take(components).Max(part => part.H_samp_factor), down = parts.Take(components).Max(part => part.V_samp_factor);
        if (parts.Take(components).Any(part => across % part.H_samp_factor != 0 || down % part.V_samp_factor != 0))
        {
            throw new InvalidDataException("its components have resolutions of which one does not divide the other");
        }
        var planes = ReadPlanes(file, across, down);

        byte[] colors = new byte[3 * width * height];
        byte[][] samples = [.. parts.Take(components).Select(part => new byte[width + across * BlockSide])];
        for (int y = 0; y < height; y++)
        {
            for (int c = 0; c < components; c++)
            {
                planes[c].Upsample(y, across / parts[c].H_samp_factor, down / parts[c].V_samp_factor, samples[c]);
            }
            Convert(space, samples, colors.AsSpan(3 * width * y, 3 * width));
        }
        return (colors, height, width);
    }

    /// <summary>The components after the inverse cosine transform.</summary>
    private static JpegPlane[] ReadPlanes(jpeg_decompress_struct file, int across, int down)
    {
        int width = file.Image_width, height = file.Image_height;
        int columns = (width - 1) / (across * BlockSide) + 1, lines = (height - 1) / (down * BlockSide) + 1;
        byte[][][] rows = [.. file.Comp_info.Take(file.Num_components).Select(part =>
            Enumerable.Range(0, lines * part.V_samp_factor * BlockSide)
                .Select(_ => new byte[columns * part.H_samp_factor * BlockSide]).ToArray())];
        for (int line = 0; line < lines; line++)
        {
            byte[][][] band = [.. rows.Select(all => all.AsSpan(line * (all.Length / lines), all.Length / lines).ToArray())];
            file.jpeg_read_raw_data(band, down * BlockSide);
        }
        // Each component's own size; a last sample that covers less than its pixels counts.
        JpegPlane[] planes = [.. rows.Zip(file.Comp_info, (all, part) => new JpegPlane(all,
            (width * part.H_samp_factor + across - 1) / across, (height * part.V_samp_factor + down - 1) / down))];
        file.jpeg_finish_decompress();
        return planes;
    }

    private static void Convert(J_COLOR_SPACE space, byte[][] samples, Span<byte> colors)
    {
        for (int x = 0; x < colors.Length / 3; x++)
        {
            var color = colors.Slice(3 * x, 3);
            switch (space)
            {
                case J_COLOR_SPACE.JCS_GRAYSCALE:
                    color.Fill(samples[0][x]);
                    break;
                case J_COLOR_SPACE.JCS_RGB:
                    (color[0], color[1], color[2]) = (samples[0][x], samples[1][x], samples[2][x]);
                    break;
                case J_COLOR_SPACE.JCS_YCbCr:
                    FromYCbCr(samples, x, color);
                    break;
                case J_COLOR_SPACE.JCS_YCCK:
                    // The colors' complements are cyan, magenta and yellow, which Adobe stores inverted.
                    FromYCbCr(samples, x, color);
                    Darken(color, samples[3][x]);
                    break;
                case J_COLOR_SPACE.JCS_CMYK:
                    (color[0], color[1], color[2]) = ((byte)~samples[0][x], (byte)~samples[1][x], (byte)~samples[2][x]);
                    Darken(color, samples[3][x]);
                    break;
                default:
                    throw new InvalidDataException($"its colors are stored as {space}, which is not read");
            }
        }
    }

    /// <summary>R = Y + 1.402·Cr, G = Y − 0.34414·Cb − 0.71414·Cr, B = Y + 1.772·Cb with Cb and Cr less 128, in whole numbers of
    /// 2⁻¹⁶ as libjpeg has them.</summary>
    private static void FromYCbCr(byte[][] samples, int x, Span<byte> color)
    {
        int y = samples[0][x], cb = samples[1][x] - 128, cr = samples[2][x] - 128;
        color[0] = Clamped(y + ((91881 * cr + Half) >> 16));
        color[1] = Clamped(y + ((-22554 * cb - 46802 * cr + Half) >> 16));
        color[2] = Clamped(y + ((116130 * cb + Half) >> 16));
    }

    /// <summary>What Pillow makes of cyan, magenta and yellow with black: it takes every CMYK file as stored inverted, as Adobe writes
    /// them, so that light = 255 − black is what is stored, and color = light − (255 − stored)·light/255.</summary>
    private static void Darken(Span<byte> inks, byte light)
    {
        for (int c = 0; c < 3; c++)
        {
            int product = inks[c] * light + 128;
            inks[c] = Clamped(light - (((product >> 8) + product) >> 8));
        }
    }

    private static byte Clamped(int value) => (byte)Math.Clamp(value, 0, 255);

    /// <summary>Throws at an error, and at a warning that says that picture data are lost; libjpeg would show grey there.</summary>
    private sealed class Problems : jpeg_error_mgr
    {
        private J_MESSAGE_CODE _code;

        public override void error_exit() => throw new InvalidDataException(Text());

        public override void emit_message(int msg_level)
        {
            string text = msg_level < 0 ? Text() : "";
            if (msg_level < 0 && _code is J_MESSAGE_CODE.JWRN_HIT_MARKER or J_MESSAGE_CODE.JWRN_HUFF_BAD_CODE
                or J_MESSAGE_CODE.JWRN_ARITH_BAD_CODE or J_MESSAGE_CODE.JWRN_MUST_RESYNC or J_MESSAGE_CODE.JWRN_JPEG_EOF)
            {
                throw new InvalidDataException(text);
            }
        }

        protected override string GetMessageText(int code)
        {
            _code = (J_MESSAGE_CODE)code;
            return base.GetMessageText(code);
        }

        private string Text() => format_message().Replace("Corrupt JPEG data: ", "", StringComparison.Ordinal);
    }
}
